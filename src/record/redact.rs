//! What must not be in a recording is not: the tokens of runs have other names, the same one each time; what lists say
//! beside identifiers is left out.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::RecordedLine;

/// Names made of what is known to nobody: whoever has the recording cannot tell the tokens.
#[derive(Clone, Debug)]
pub(super) struct Disguise {
    salt: [u8; 16],
}

impl Disguise {
    pub(super) fn new(salt: [u8; 16]) -> Self {
        Self { salt }
    }

    /// `line` as it is written, with its end.
    pub(super) fn line(&self, line: &RecordedLine) -> Option<String> {
        let mut value = serde_json::to_value(line).ok()?;
        self.hide(&mut value);
        Some(value.to_string() + "\n")
    }

    fn hide(&self, value: &mut Value) {
        match value {
            Value::String(text) => self.hide_tokens(text),
            Value::Array(values) => values.iter_mut().for_each(|value| self.hide(value)),
            Value::Object(fields) => {
                for (name, value) in fields.iter_mut() {
                    match value {
                        Value::Object(said) if name == "metadata" => said.clear(),
                        other => self.hide(other),
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Wherever 32 hex digits stand alone, as in `/r/0f3a…/answers`, they may be a run's.
    fn hide_tokens(&self, text: &mut String) {
        let mut from = 0;
        while let Some(start) = text[from..].find(|c: char| c.is_ascii_hexdigit()).map(|at| from + at) {
            let length = text[start..].find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(text.len() - start);
            if length == TOKEN {
                let name = self.name(&text[start..start + length]);
                text.replace_range(start..start + length, &name);
            }
            from = start + length;
        }
    }

    fn name(&self, token: &str) -> String {
        let digest = Sha256::new().chain_update(self.salt).chain_update(token.to_ascii_lowercase()).finalize();
        digest.iter().take(TOKEN / 2).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Hex digits of a run's token.
const TOKEN: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_one_other_name_wherever_it_stands_and_a_digest_stays() {
        let disguise = Disguise::new([7; 16]);
        let token = "0123456789abcdef0123456789abcdef";
        let digest = token.repeat(2);
        let mut text = format!("GET /r/{token}/answers, {digest}, deadbeef, {}", token.to_uppercase());
        disguise.hide_tokens(&mut text);
        let name = disguise.name(token);
        assert_eq!(text, format!("GET /r/{name}/answers, {digest}, deadbeef, {name}"));
        assert_ne!(Disguise::new([8; 16]).name(token), name, "of another recording");
    }
}
