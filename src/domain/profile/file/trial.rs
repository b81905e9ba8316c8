//! The templates of a profile, tried on a sample node.

use super::keys::nearest;
use crate::domain::diagnostic::Diagnostic;
use crate::domain::profile::Profile;
use crate::domain::profile::filled::{fill, known_names, templates, unknown_names, values};
use crate::domain::profile::sample::Sample;

/// Every name that means nothing, and every template that cannot be filled in for another reason.
pub(super) fn complaints(profile: &Profile) -> Vec<Diagnostic> {
    let sample = Sample::default();
    let values = values(sample.occasion(profile));
    let mut complaints = Vec::new();
    for template in templates(profile) {
        let wrong =
            |line, what, hint| Diagnostic { file: template.file.clone(), line: Some(line), column: None, what, hint };
        let unknown = unknown_names(template, &values);
        if unknown.is_empty() {
            complaints.extend(fill(template, &values).err().map(|err| wrong(err.line, err.what, JINJA.to_owned())));
        }
        complaints.extend(unknown.into_iter().map(|(line, name)| {
            let known = known_names(&values, &name);
            let hint = match nearest(&name, known.iter().map(String::as_str)) {
                Some(meant) => format!("did you mean {meant}?"),
                None => format!("there is {}", known.join(", ")),
            };
            wrong(line, format!("nothing is called {name}"), hint)
        }));
    }
    complaints
}

const JINJA: &str = "templates are Jinja: {{ node.serial }}, {% if node.hostname %} … {% endif %}";
