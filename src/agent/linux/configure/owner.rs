//! The owner of a file: by number, or by name as in the installed system's /etc/passwd and /etc/group.

use std::path::Path;

use super::error::misfit;
use super::root::MountedRoot;
use crate::agent::machine::Unconfigured;

/// The users and groups of a system, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Accounts {
    users: Vec<(String, u32)>,
    groups: Vec<(String, u32)>,
}

/// A user's and a group's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub user: u32,
    pub group: u32,
}

impl Accounts {
    /// From the system with this root; empty if it has no such files.
    pub(super) fn of(root: &MountedRoot) -> Self {
        let read = |path| listed(&root.text(Path::new(path), LIMIT).unwrap_or_default());
        Self { users: read("/etc/passwd"), groups: read("/etc/group") }
    }
}

/// The owner that `text` names: `user` or `user:group`, as chown(1) takes it; without a group it is root's. The first of
/// `systems` that knows a name counts.
pub(super) fn owner(text: &str, systems: &[&Accounts]) -> Result<Owner, Unconfigured> {
    let (user, group) = text.split_once(':').unwrap_or((text, "0"));
    let number = |name: &str, what: &str, list: fn(&Accounts) -> &[(String, u32)]| {
        if let Ok(number) = name.parse() {
            return Ok(number);
        }
        if name == "root" {
            return Ok(0);
        }
        let known = systems.iter().find_map(|system| list(system).iter().find(|(known, _)| known == name));
        known.map(|(_, number)| *number).ok_or_else(|| {
            misfit(format!("the system on the disk has no {what} {name:?}: use its number, or a name that exists"))
        })
    };
    Ok(Owner {
        user: number(user, "user", |system| &system.users)?,
        group: number(group, "group", |system| &system.groups)?,
    })
}

/// Names and numbers of passwd(5) and group(5), which agree in their first and third field.
fn listed(text: &str) -> Vec<(String, u32)> {
    let one = |line: &str| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        Some((name.to_owned(), number.parse().ok()?))
    };
    text.lines().filter_map(one).collect()
}

const LIMIT: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(text: &str) -> Result<(u32, u32), String> {
        let line = Accounts {
            users: listed("root:x:0:0:root:/root:/bin/sh\nkiosk:x:1003:1004::/home/kiosk:/bin/sh\nbroken\n:x:\n"),
            groups: listed("root:x:0:\nplugdev:x:46:kiosk\n"),
        };
        let other = Accounts { users: listed("kiosk:x:5:5::/:/bin/sh\npress:x:7:7::/:/bin/sh"), groups: Vec::new() };
        owner(text, &[&line, &other]).map(|Owner { user, group }| (user, group)).map_err(|no| no.detail)
    }

    #[test]
    fn an_owner_is_a_number_or_a_name_of_the_system_on_the_disk() {
        assert_eq!(numbers("0"), Ok((0, 0)));
        assert_eq!(numbers("1000:46"), Ok((1000, 46)));
        assert_eq!(numbers("kiosk"), Ok((1003, 0)), "as chown does, the group stays");
        assert_eq!(numbers("kiosk:plugdev"), Ok((1003, 46)), "its own volume's system counts first");
        assert_eq!(numbers("press:root"), Ok((7, 0)), "then another volume's");
    }

    #[test]
    fn a_name_that_the_disk_does_not_know_is_quoted() {
        assert_eq!(
            numbers("kiosk:kiosk").expect_err("no such group"),
            "the system on the disk has no group \"kiosk\": use its number, or a name that exists"
        );
        assert!(numbers("").is_err() && numbers("-1").is_err());
    }
}
