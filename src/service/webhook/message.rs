//! One thing to tell: its body, its id, and the signature of each try (Standard Webhooks 1.0.0, HMAC-SHA256).

use openssl::base64::encode_block;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;

use crate::domain::batch::certificate::moment;
use crate::domain::time::Timestamp;
use crate::protocol::webhook::PhaseChange;

pub(super) struct WebhookMessage {
    pub(super) id: String,
    pub(super) body: String,
    key: Option<Vec<u8>>,
}

impl WebhookMessage {
    /// The error says what is wrong.
    pub(super) fn of(change: &PhaseChange, key: Option<&[u8]>) -> Result<Self, String> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|err| err.to_string())?;
        let id = random.iter().fold("msg_".to_owned(), |id, octet| format!("{id}{octet:02x}"));
        let body = change.body(moment(Timestamp::from_millis(change.at)));
        let body = serde_json::to_string(&body).map_err(|err| err.to_string())?;
        Ok(Self { id, body, key: key.map(<[u8]>::to_vec) })
    }

    /// The header that shows who sends it at this second; none where nothing was agreed.
    pub(super) fn signature(&self, second: u64) -> Result<Option<String>, ErrorStack> {
        let Some(key) = &self.key else { return Ok(None) };
        let key = PKey::hmac(key)?;
        let mut signer = Signer::new(MessageDigest::sha256(), &key)?;
        signer.update(format!("{}.{second}.{}", self.id, self.body).as_bytes())?;
        Ok(Some(format!("v1,{}", encode_block(&signer.sign_to_vec()?))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_one_that_the_libraries_of_other_programs_make() {
        // The example of the specification's own reference libraries.
        let key = openssl::base64::decode_block("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("base64");
        let letter = WebhookMessage {
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek".into(),
            body: r#"{"test": 2432232314}"#.into(),
            key: Some(key),
        };
        let signature = letter.signature(1_614_265_330).expect("OpenSSL has HMAC");
        assert_eq!(signature.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
        assert_eq!(WebhookMessage { key: None, ..letter }.signature(1).expect("none"), None);
    }
}
