//! The `config-file` of Edge Microvisor Toolkit Standalone: settings as a shell would read them, and behind a marker YAML
//! of one's own. It becomes cloud-init's user data.
//!
//! cloud-init runs at every boot of that system (its state is in memory), so everything here may be done again.

use std::net::Ipv4Addr;

use super::yaml::Yaml;
use super::{note, quoted};
use crate::domain::diagnostic::Diagnostic;

/// What the file asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigFile {
    /// The account that is to be made. Its password is never in the file.
    pub user: Option<String>,
    ssh_key: Option<String>,
    /// Variables of the environment, as `https_proxy`.
    proxies: Vec<(String, String)>,
    time_servers: Vec<String>,
    huge_pages: Option<String>,
    /// There is one, so machines have addresses of their own.
    address: Option<Ipv4Addr>,
    prefix: Option<u32>,
    gateway: Option<Ipv4Addr>,
    name_servers: Vec<Ipv4Addr>,
    /// In YAML's flow style: path, permissions, content.
    files: Vec<String>,
    enable: Vec<String>,
    disable: Vec<String>,
    commands: Vec<String>,
    /// What is not taken over, and why.
    pub notes: Vec<Diagnostic>,
}

/// Whether `text` is such a file rather than YAML.
pub fn is_one(text: &str) -> bool {
    text.lines().any(|line| setting(line).is_some_and(|(key, _)| key == "user_name"))
}

/// Reads `text`, which came from `file`.
pub fn read(file: &str, text: &str) -> Result<ConfigFile, Vec<Diagnostic>> {
    let mut config = ConfigFile::default();
    let mut wrong = Vec::new();
    let marked = text.lines().position(|line| line.contains(MARKER)).unwrap_or(usize::MAX);
    for (at, line) in text.lines().enumerate().take(marked) {
        let (line, trimmed) = (line, line.trim());
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        match setting(line) {
            Some((key, value)) => config.take(file, at + 1, key, value, &mut wrong),
            None => wrong.push(note(file, at + 1, "this is no setting", "write it as name=\"value\"")),
        }
    }
    if config.user.is_none() {
        let hint = "name the account that is to be made";
        wrong.push(Diagnostic { line: None, ..note(file, 1, "user_name is missing or empty", hint) });
    }
    // What stands before the marker is left out line by line, so that lines keep their numbers.
    let below: String = text
        .lines()
        .enumerate()
        .map(|(at, line)| if at > marked { format!("{line}\n") } else { "\n".into() })
        .collect();
    if marked < usize::MAX {
        match Yaml::read(&below) {
            Ok(yaml) => config.take_yaml(file, &yaml, &mut wrong),
            Err((line, what)) => {
                wrong.push(note(
                    file,
                    line,
                    format!("what follows {MARKER:?} is no YAML: {what}"),
                    "correct its indentation",
                ));
            }
        }
    }
    if wrong.is_empty() { Ok(config) } else { Err(wrong) }
}

impl ConfigFile {
    fn take(&mut self, file: &str, line: usize, key: &str, value: &str, wrong: &mut Vec<Diagnostic>) {
        let mut left_out = |what: String, why: &str| self.notes.push(note(file, line, what, why));
        match key {
            _ if value.is_empty() => {}
            "http_proxy" | "https_proxy" | "no_proxy" | "HTTP_PROXY" | "HTTPS_PROXY" | "NO_PROXY" => {
                self.proxies.push((key.into(), value.into()));
            }
            "ssh_key" => self.ssh_key = Some(value.into()),
            "user_name" if is_account(value) => self.user = Some(value.into()),
            "user_name" => wrong.push(note(
                file,
                line,
                format!("user_name {value:?} is no name of an account"),
                "a-z, 0-9, - and _",
            )),
            "USER_CUSTOM_NTP_SERVERS" => {
                self.time_servers =
                    value.split([',', ' ']).filter(|name| !name.is_empty()).map(str::to_owned).collect();
            }
            "huge_page_config" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.huge_pages = Some(value.into())
            }
            "huge_page_config" => {
                wrong.push(note(file, line, format!("huge_page_config {value:?} is no number"), "as 1024"))
            }
            "host_type" if matches!(value, "container" | "kubernetes") => {
                left_out(
                    format!(
                        "host_type {value}: the toolkit's scripts that set it up are not oxbow's, and not put on the machine"
                    ),
                    "--user-apps names a tar of its packages; a tar of the scripts becomes an [[archive]] into /etc/cloud",
                );
            }
            "host_type" => {
                wrong.push(note(file, line, format!("host_type {value:?} is not known"), "kubernetes, or container"));
            }
            "static_ip" => match value.parse() {
                Ok(address) => {
                    self.address = Some(address);
                    let what = format!("static_ip {value} would be the address of every machine of the profile");
                    left_out(
                        what,
                        "give each machine its own in the list, in a column named StaticIP: it is taken from there",
                    );
                }
                Err(_) => wrong.push(no_address(file, line, key, value)),
            },
            "subnet_mask" => match value.parse().ok().and_then(prefix) {
                Some(prefix) => self.prefix = Some(prefix),
                None => wrong.push(note(file, line, format!("subnet_mask {value:?} is no mask"), "as 255.255.255.0")),
            },
            "default_gate_way" => match value.parse() {
                Ok(gateway) => self.gateway = Some(gateway),
                Err(_) => wrong.push(no_address(file, line, key, value)),
            },
            "dns_name_server" => {
                for server in value.split([',', ' ']).filter(|server| !server.is_empty()) {
                    match server.parse() {
                        Ok(server) => self.name_servers.push(server),
                        Err(_) => wrong.push(no_address(file, line, key, server)),
                    }
                }
            }
            "lvm_size_ingb" => {
                left_out(format!("{key} is left out"), "oxbow writes the image as it is, and makes no volumes")
            }
            "deploy_envmt" => left_out(format!("{key} is left out"), "it is for the tests of the toolkit"),
            "password" | "user_password" => {
                wrong.push(note(
                    file,
                    line,
                    format!("{key}: a password in clear"),
                    "take it out: the password is asked for",
                ));
            }
            _ => left_out(
                format!("the setting {key} means nothing to oxbow and is left out"),
                "if it matters, say it in the user data",
            ),
        }
    }

    fn take_yaml(&mut self, file: &str, yaml: &Yaml, wrong: &mut Vec<Diagnostic>) {
        for (key, value) in yaml.map() {
            match key.as_str() {
                "services" => {
                    let names = |key: &str| {
                        let list = value.find(key).map(Yaml::list).unwrap_or_default();
                        list.iter().filter_map(Yaml::text).map(str::to_owned).collect()
                    };
                    (self.enable, self.disable) = (names("enable"), names("disable"));
                    for (unknown, value) in
                        value.map().iter().filter(|(key, _)| !matches!(key.as_str(), "enable" | "disable"))
                    {
                        wrong.push(note(
                            file,
                            value.line,
                            format!("services has no {unknown:?}"),
                            "enable, or disable",
                        ));
                    }
                }
                "write_files" => {
                    for entry in value.list() {
                        match (entry.find("path").and_then(Yaml::text), entry.find("content").and_then(Yaml::text)) {
                            (Some(_), Some(_)) => self.files.push(entry.flow()),
                            _ => wrong.push(note(file, entry.line, "a file without path or content", "give it both")),
                        }
                    }
                }
                "runcmd" => self.commands = value.list().iter().map(Yaml::flow).collect(),
                _ => {
                    let what = format!("{key} is left out");
                    self.notes.push(note(file, value.line, what, "services, write_files and runcmd are taken over"));
                }
            }
        }
    }

    /// The user data, with this hash as the account's password; without one nobody logs in by password.
    pub fn user_data(&self, name: &str, password: Option<&str>) -> String {
        let mut out = format!("#cloud-config\n# From {name}. This system runs cloud-init at every boot.\n");
        out.push_str("merge_how: 'dict(recurse_array,no_replace)+list(append)'\n");
        if !self.time_servers.is_empty() {
            out.push_str(&format!("ntp:\n  enabled: true\n  servers: {}\n", listed(&self.time_servers)));
        }
        if let Some(user) = &self.user {
            out.push_str(&format!("users:\n  - name: {}\n    groups: sudo\n    shell: /bin/bash\n", quoted(user)));
            out.push_str("    sudo: ALL=(ALL) NOPASSWD:ALL\n");
            match password {
                Some(hash) => out.push_str(&format!("    lock_passwd: false\n    passwd: {}\n", quoted(hash))),
                None => out.push_str("    lock_passwd: true\n"),
            }
            if let Some(key) = &self.ssh_key {
                out.push_str(&format!("    ssh_authorized_keys: [{}]\n", quoted(key)));
            }
        }
        let environment = self.environment();
        if environment.is_some() || !self.files.is_empty() {
            out.push_str("write_files:\n");
        }
        if let Some(content) = environment {
            let content = quoted(&content);
            out.push_str(&format!("  - path: /etc/environment\n    permissions: '0644'\n    content: {content}\n"));
        }
        self.files.iter().for_each(|file| out.push_str(&format!("  - {file}\n")));
        let commands = self.commands();
        if !commands.is_empty() {
            out.push_str("runcmd:\n");
            commands.iter().for_each(|command| out.push_str(&format!("  - {command}\n")));
        }
        as_template(&out)
    }

    /// The profile's table about the network: each machine's address is in the list, the rest is here. None: the file has
    /// no address, and machines ask by DHCP.
    pub fn network(&self) -> Option<String> {
        self.address?;
        let bits = self.prefix.unwrap_or(24);
        let mut table = format!("[system.network]\naddress = \"{{{{ node.metadata['{COLUMN}'] }}}}/{bits}\"\n");
        if let Some(gateway) = self.gateway {
            table.push_str(&format!("gateway = \"{gateway}\"\n"));
        }
        if !self.name_servers.is_empty() {
            table.push_str(&format!(
                "dns = {}\n",
                listed(&self.name_servers.iter().map(Ipv4Addr::to_string).collect::<Vec<_>>())
            ));
        }
        Some(table)
    }

    fn environment(&self) -> Option<String> {
        let line = |(key, value): &(String, String)| format!("{key}={value}\n");
        let lines: String = self.proxies.iter().map(line).collect();
        (!lines.is_empty()).then(|| format!("PATH={PATH}\n{lines}"))
    }

    fn commands(&self) -> Vec<String> {
        let words = |words: &[&str]| listed(words);
        let pages = self.huge_pages.iter().map(|pages| words(&["sysctl", "-w", &format!("vm.nr_hugepages={pages}")]));
        let enable = self.enable.iter().map(|name| words(&["systemctl", "enable", "--now", name]));
        let disable = self.disable.iter().map(|name| words(&["systemctl", "disable", "--now", name]));
        pages.chain(enable).chain(disable).chain(self.commands.iter().cloned()).collect()
    }
}

/// `text` as a template in which nothing is meant as one.
pub fn as_template(text: &str) -> String {
    let text = if text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") };
    let has_marks = ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark));
    if has_marks { format!("{{% raw %}}\n{text}{{% endraw %}}\n") } else { text }
}

/// `name="value"`, `name='value'` or `name=value`, as a shell reads it.
fn setting(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let (key, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
    let is_name = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let value = value.trim();
    let inside = |mark: char| Some(value.strip_prefix(mark)?.split(mark).next().unwrap_or_default());
    let bare = || value.split(" #").next().unwrap_or_default().trim();
    is_name.then(|| (key, inside('"').or(inside('\'')).unwrap_or_else(bare)))
}

fn no_address(file: &str, line: usize, key: &str, value: &str) -> Diagnostic {
    note(file, line, format!("{key} {value:?} is no IPv4 address"), "as 10.0.0.7")
}

/// How many bits of an address are the network's; none where the mask has holes.
fn prefix(mask: Ipv4Addr) -> Option<u32> {
    let bits = u32::from(mask);
    (bits.leading_ones() + bits.trailing_zeros() == 32).then(|| bits.leading_ones())
}

fn is_account(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    name.len() <= 32 && name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_') && name.chars().all(fits)
}

fn listed<T: AsRef<str>>(words: &[T]) -> String {
    format!("[{}]", words.iter().map(|word| quoted(word.as_ref())).collect::<Vec<_>>().join(", "))
}

/// The column of a list that has each machine's address.
const COLUMN: &str = "StaticIP";
const MARKER: &str = "Custom cloud-init Config file";
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_static_address_is_each_machines_own_and_the_rest_of_the_network_is_the_files() {
        let text = "user_name=\"operator\"\nstatic_ip=\"10.0.0.7\"\nsubnet_mask=\"255.255.252.0\"\n\
                    default_gate_way=\"10.0.0.1\"\ndns_name_server=\"10.0.0.2,10.0.0.3\"\n";
        let config = read("config-file", text).expect("a file");
        let table = "[system.network]\naddress = \"{{ node.metadata['StaticIP'] }}/22\"\ngateway = \"10.0.0.1\"\n\
                     dns = [\"10.0.0.2\", \"10.0.0.3\"]\n";
        assert_eq!(config.network().as_deref(), Some(table));
        let notes: Vec<String> = config.notes.iter().map(Diagnostic::place_and_what).collect();
        assert_eq!(notes, ["config-file:2: static_ip 10.0.0.7 would be the address of every machine of the profile"]);

        let wrong = read("config-file", "user_name=a\nstatic_ip=here\nsubnet_mask=255.0.255.0\n").expect_err("wrong");
        let wrong: Vec<String> = wrong.iter().map(Diagnostic::place_and_what).collect();
        assert_eq!(
            wrong,
            [
                "config-file:2: static_ip \"here\" is no IPv4 address",
                "config-file:3: subnet_mask \"255.0.255.0\" is no mask"
            ]
        );
        assert_eq!(read("config-file", "user_name=a\n").expect("a file").network(), None);
    }

    const FILE: &str = r#"# ------------------ Proxy ------------------
http_proxy="http://proxy.example:911"
https_proxy=''
no_proxy=localhost,10.0.0.0/8
HTTP_PROXY=""

ssh_key='ssh-ed25519 AAAA someone@bench'
user_name="operator"
host_type="container"
static_ip=""
lvm_size_ingb="20"
huge_page_config="1024"
USER_CUSTOM_NTP_SERVERS="ntp1.example, ntp2.example"
# ----------------------------------------------
# Custom cloud-init Config file
# ----------------------------------------------
services:
    enable: [docker]
    disable: []
write_files:
  - path: /etc/greeting
    permissions: '0644'
    content: |
      hello {{ you }}
runcmd:
  - systemctl restart docker
  - [ touch, "/opt/with space" ]
"#;

    #[test]
    fn the_settings_become_user_data_that_may_be_done_again() {
        let config = read("config-file", FILE).unwrap_or_else(|wrong| panic!("{wrong:#?}"));
        let data = config.user_data("config-file", Some("$6$salt$hash"));
        insta::assert_snapshot!("user_data", data);
        let notes: Vec<String> = config.notes.iter().map(Diagnostic::place_and_what).collect();
        assert_eq!(
            notes,
            [
                "config-file:9: host_type container: the toolkit's scripts that set it up are not oxbow's, and not put on the machine",
                "config-file:11: lvm_size_ingb is left out",
            ]
        );
        let own = Yaml::read(data.trim_start_matches("{% raw %}").trim_end().trim_end_matches("{% endraw %}"));
        assert!(own.is_ok_and(|yaml| yaml.find("users").is_some()), "it is YAML again: {data}");
    }

    #[test]
    fn without_a_password_nobody_logs_in_by_one() {
        let data = read("config-file", "user_name=operator\n").expect("a file").user_data("config-file", None);
        assert!(data.contains("lock_passwd: true") && !data.contains("passwd: \"") && !data.contains("raw"), "{data}");
    }

    #[test]
    fn everything_wrong_is_said_with_its_line() {
        let text = "user_name=\"Root User\"\nhost_type=vm\npassword=secret\nnonsense\nhuge_page_config=lots\n\
            # Custom cloud-init Config file\nservices:\n  start: [x]\nwrite_files:\n  - path: /a\n";
        let wrong: Vec<String> =
            read("config-file", text).expect_err("wrong").iter().map(Diagnostic::place_and_what).collect();
        assert_eq!(
            wrong,
            [
                "config-file:1: user_name \"Root User\" is no name of an account",
                "config-file:2: host_type \"vm\" is not known",
                "config-file:3: password: a password in clear",
                "config-file:4: this is no setting",
                "config-file:5: huge_page_config \"lots\" is no number",
                "config-file: user_name is missing or empty",
                "config-file:8: services has no \"start\"",
                "config-file:10: a file without path or content",
            ]
        );
        let broken = format!("user_name=a\n# {MARKER}\nruncmd: [\n");
        let wrong = read("config-file", &broken).expect_err("wrong");
        assert!(wrong[0].what.contains("is no YAML"), "{wrong:?}");
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_a_fault(settings in "([a-z_]{1,12}=[\"']?[^\n]{0,12}[\"']?\n){0,5}", yaml in "[\\[\\]{}:,&*!|>'\"#%@\\- \na-z0]{0,60}") {
            if let Ok(config) = read("config-file", &format!("user_name=a\n{settings}\n# {MARKER}\n{yaml}")) {
                let data = config.user_data("config-file", None);
                let inner = data.trim_start_matches("{% raw %}\n").trim_end_matches("{% endraw %}\n");
                proptest::prop_assert!(Yaml::read(inner).is_ok(), "{}", data);
            }
        }
    }

    #[test]
    fn such_a_file_is_told_from_yaml() {
        assert!(is_one(FILE) && !is_one("spec:\n  name: x\n"));
    }
}
