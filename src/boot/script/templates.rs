//! The templates of boot scripts and of GRUB's configurations, each compiled once: compiling them again took about a tenth
//! of the processor time of every request for a script.

use std::sync::LazyLock;

use minijinja::{Environment, UndefinedBehavior, Value};

/// The text of the template `name` (a path below `assets`) with `values` filled in.
pub(super) fn filled(name: &str, values: Value) -> String {
    let filled = TEMPLATES.get_template(name).and_then(|template| template.render(values));
    filled.expect("the templates are part of the program and every one is filled by a test")
}

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    for (name, text) in TEXTS {
        templates.add_template(name, text).expect("every template is filled by a test");
    }
    templates
});

const TEXTS: [(&str, &str); 9] = [
    ("grub/ask.cfg", include_str!("../../../assets/grub/ask.cfg")),
    ("grub/install.cfg", include_str!("../../../assets/grub/install.cfg")),
    ("grub/local.cfg", include_str!("../../../assets/grub/local.cfg")),
    ("grub/wait.cfg", include_str!("../../../assets/grub/wait.cfg")),
    ("ipxe/ask.ipxe", include_str!("../../../assets/ipxe/ask.ipxe")),
    ("ipxe/detour.ipxe", include_str!("../../../assets/ipxe/detour.ipxe")),
    ("ipxe/install.ipxe", include_str!("../../../assets/ipxe/install.ipxe")),
    ("ipxe/local.ipxe", include_str!("../../../assets/ipxe/local.ipxe")),
    ("ipxe/wait.ipxe", include_str!("../../../assets/ipxe/wait.ipxe")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_compiles() {
        for (name, _) in TEXTS {
            assert!(TEMPLATES.get_template(name).is_ok(), "{name}");
        }
    }
}
