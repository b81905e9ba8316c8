//! cloud-init's documents, made of what a profile says of the system where it brings none of its own.
//!
//! They are JSON, which is YAML: whatever stands in a value, it stays one. Everything may be done again, as systems whose
//! state is in memory do at each boot, and only modules are spoken to that the Edge Microvisor Toolkit's cloud-init has:
//! `set_hostname`, `update_etc_hosts`, `users_groups`, `ntp`, `timezone`, `runcmd`.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use crate::domain::ids::{Hostname, MacAddr};
use crate::domain::profile::system::User;

/// What the user data says, filled in for a node.
#[derive(Clone, Debug, Default)]
pub(crate) struct UserData<'a> {
    pub(crate) hostname: Option<Hostname>,
    pub(crate) timezone: Option<&'a str>,
    pub(crate) ntp: &'a [String],
    pub(crate) users: &'a [User],
    /// Where the machine says that its own system runs, and for how many minutes it tries.
    pub(crate) home: Option<(String, u32)>,
    /// What cloud-init writes meanwhile goes there too.
    pub(crate) sends_output: bool,
    /// Where the user data is a part of the system's own configuration, the network is in it.
    pub(crate) network: Option<Value>,
    /// It is added to what other configuration says, as the toolkit's own is.
    pub(crate) merges: bool,
}

/// The user data.
pub(crate) fn user_data(data: &UserData<'_>) -> String {
    let UserData { hostname, timezone, ntp, users, home, sends_output, network, merges } = data;
    let mut data = Map::new();
    let mut say = |key: &str, value: Value| drop(data.insert(key.to_owned(), value));
    if *merges {
        say("merge_how", json!("dict(recurse_array,no_replace)+list(append)"));
    }
    if let Some(hostname) = hostname {
        say("hostname", json!(hostname.to_string()));
        // So that `sudo` finds the machine's own name.
        say("manage_etc_hosts", json!("localhost"));
    }
    if let Some(timezone) = timezone {
        say("timezone", json!(timezone));
    }
    if !ntp.is_empty() {
        say("ntp", json!({ "enabled": true, "servers": ntp }));
    }
    if !users.is_empty() {
        say("users", users.iter().map(user).collect());
    }
    if let Some(network) = network {
        say("network", network.clone());
    }
    if let Some((url, minutes)) = home {
        let mut commands = vec![json!(["sh", "-c", call_home(url, *minutes)])];
        if *sends_output {
            let seconds = (minutes.saturating_mul(60)).to_string();
            commands.push(json!(["sh", "-c", IN_BACKGROUND, OUTPUT, format!("{url}/output"), seconds]));
        }
        say("runcmd", Value::Array(commands));
    }
    format!("#cloud-config\n{:#}\n", Value::Object(data))
}

/// NoCloud's meta data: one instance for each run, so that a machine begins anew after each and not after a restart.
pub(crate) fn meta_data(instance: &str, hostname: Option<&Hostname>) -> String {
    let mut data = json!({ "instance-id": instance });
    if let (Some(hostname), Some(data)) = (hostname, data.as_object_mut()) {
        data.insert("local-hostname".into(), json!(hostname.to_string()));
    }
    format!("{data:#}\n")
}

/// An address of the machine's own.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    /// With the length of the prefix.
    pub(crate) address: String,
    pub(crate) gateway: Option<IpAddr>,
    pub(crate) dns: Vec<IpAddr>,
}

/// The network, version 2 (netplan's): the card `mac` with DHCP, or with this address.
pub(crate) fn network(mac: MacAddr, address: Option<&Address>) -> Value {
    let mut card = json!({ "match": { "macaddress": mac.to_string() } });
    let mut say = |key: &str, value: Value| drop(card.as_object_mut().map(|card| card.insert(key.into(), value)));
    match address {
        // Else a system's own identifier would make it another client than the one that was installed.
        None => {
            say("dhcp4", json!(true));
            say("dhcp-identifier", json!("mac"));
        }
        Some(Address { address, gateway, dns }) => {
            say("dhcp4", json!(false));
            say("addresses", json!([address]));
            if let Some(gateway) = gateway {
                let everywhere = if gateway.is_ipv4() { "0.0.0.0/0" } else { "::/0" };
                say("routes", json!([{ "to": everywhere, "via": gateway.to_string() }]));
            }
            if !dns.is_empty() {
                let servers: Vec<String> = dns.iter().map(IpAddr::to_string).collect();
                say("nameservers", json!({ "addresses": servers }));
            }
        }
    }
    json!({ "version": 2, "ethernets": { "id0": card } })
}

/// The file of its own that NoCloud has for the network.
pub(crate) fn network_config(network: &Value) -> String {
    format!("{network:#}\n")
}

fn user(user: &User) -> Value {
    let User { name, password_hash, ssh_keys, groups, sudo } = user;
    let mut account = json!({ "name": name, "shell": "/bin/bash", "lock_passwd": password_hash.is_none() });
    let mut say = |key: &str, value: Value| drop(account.as_object_mut().map(|it| it.insert(key.into(), value)));
    if let Some(hash) = password_hash {
        // The first is for an account that is made, the second for one that is on the image.
        say("passwd", json!(hash));
        say("hashed_passwd", json!(hash));
    }
    if !ssh_keys.is_empty() {
        say("ssh_authorized_keys", json!(ssh_keys));
    }
    if !groups.is_empty() {
        say("groups", json!(groups));
    }
    if *sudo {
        say("sudo", json!("ALL=(ALL) NOPASSWD:ALL"));
    }
    account
}

/// A command that tells the station at `url` that the system runs, with whatever the image has for that. It goes on in the
/// background, so that nothing waits for it, until it was heard or nobody waits any more.
fn call_home(url: &str, minutes: u32) -> String {
    let tries = minutes.saturating_mul(60) / EVERY + 1;
    format!(
        "unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY\n\
         call() {{\n\
         curl -fsS -m 30 -d \"hostname=$(uname -n)\" {url} || wget -q -T 30 -O /dev/null {url} ||\n\
         python3 -c 'import urllib.request as web; web.urlopen(\"{url}\", timeout=30)'\n\
         }}\n\
         (n=0; until call || [ $n -ge {tries} ]; do n=$((n+1)); sleep {EVERY}; done) </dev/null >/dev/null 2>&1 &\n"
    )
}

/// Seconds between one call and the next.
const EVERY: u32 = 10;
/// Runs a program of Python, without which there is no cloud-init.
const IN_BACKGROUND: &str = "python3 -c \"$0\" \"$@\" </dev/null >/dev/null 2>&1 &";
const OUTPUT: &str = include_str!("../../../assets/first-boot/output.py");

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAA someone@bench";

    fn operator() -> User {
        User {
            name: "operator".into(),
            password_hash: Some("$6$salt$hash".into()),
            ssh_keys: vec![KEY.into()],
            groups: vec!["sudo".into(), "docker".into()],
            sudo: true,
        }
    }

    #[test]
    fn the_user_data_says_names_times_accounts_and_where_to_call() {
        let data = UserData {
            hostname: "press-07".parse().ok(),
            timezone: Some("Europe/Berlin"),
            ntp: &["ntp1.example".to_owned()],
            users: &[operator()],
            home: Some(("http://10.77.0.1/r/5a/home".into(), 20)),
            ..UserData::default()
        };
        insta::assert_snapshot!(user_data(&data));
    }

    #[test]
    fn what_cloud_init_writes_is_sent_where_the_profile_asks() {
        let home = Some(("http://10.77.0.1/r/5a/home".into(), 20));
        let data = user_data(&UserData { home, sends_output: true, ..UserData::default() });
        let read: Value = serde_json::from_str(data.trim_start_matches("#cloud-config\n")).expect("JSON");
        let sends = read["runcmd"][1].as_array().expect("a second command");
        assert_eq!(sends[2], IN_BACKGROUND);
        assert_eq!(sends[4..], [json!("http://10.77.0.1/r/5a/home/output"), json!("1200")]);
    }

    #[test]
    fn the_toolkits_user_data_is_merged_and_has_the_network_in_it() {
        let mac = "52:54:00:5B:00:01".parse().expect("a MAC");
        let data = UserData { network: Some(network(mac, None)), merges: true, ..UserData::default() };
        insta::assert_snapshot!(user_data(&data));
    }

    #[test]
    fn a_machine_may_have_an_address_of_its_own() {
        let mac = "52:54:00:5b:00:01".parse().expect("a MAC");
        let address = Address {
            address: "10.0.0.7/24".into(),
            gateway: "10.0.0.1".parse().ok(),
            dns: "10.0.0.2".parse().into_iter().collect(),
        };
        insta::assert_snapshot!(network_config(&network(mac, Some(&address))));
    }

    #[test]
    fn nothing_that_a_value_says_gets_out_of_it() {
        let mean = "x\n  - name: root\n    \"}]: &a *a !!python/object #";
        let users = [User { name: mean.into(), ..operator() }];
        let data = user_data(&UserData { users: &users, timezone: Some(mean), ..UserData::default() });
        let read: Value = serde_json::from_str(data.trim_start_matches("#cloud-config\n")).expect("JSON");
        assert_eq!((&read["timezone"], &read["users"][0]["name"]), (&json!(mean), &json!(mean)));
        assert_eq!(read.as_object().map(Map::len), Some(2));
    }
}
