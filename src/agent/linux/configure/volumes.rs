//! Which partition of the chosen disk a volume's name means: never one of another disk, never a guess.

use super::error::misfit;
use super::partitions::{Partition, in_words};
use crate::agent::machine::Unconfigured;
use crate::domain::profile::configuration::VolumeName;

/// The partition with this name, or else the one whose file system has this label.
pub(super) fn find<'a>(partitions: &'a [Partition], volume: &VolumeName) -> Result<&'a Partition, Unconfigured> {
    let VolumeName(wanted) = volume;
    if wanted.is_empty() {
        return Err(misfit("a volume must have a name"));
    }
    for property in [|partition: &Partition| partition.name.clone(), |partition: &Partition| partition.label.clone()] {
        let meant: Vec<&Partition> = partitions.iter().filter(|partition| property(partition) == *wanted).collect();
        match meant[..] {
            [] => {}
            [one] => return Ok(one),
            [..] => {
                let numbers: Vec<String> = meant.iter().map(|partition| partition.number.to_string()).collect();
                return Err(misfit(format!(
                    "partitions {} of the disk are all called {wanted:?}: give them different names in the image",
                    numbers.join(" and ")
                )));
            }
        }
    }
    let there = in_words(partitions);
    Err(misfit(format!("no partition or file system of the disk is called {wanted:?}; it has {there}")))
}

#[cfg(test)]
mod tests {
    use super::super::partitions::tests_support::partition;
    use super::*;

    fn found(name: &str) -> Result<u32, String> {
        let disk = [
            partition(1, "esp", "ESP"),
            partition(2, "rootfs", "cloudimg"),
            partition(3, "", "data"),
            partition(4, "spare", ""),
            partition(5, "spare", "rootfs"),
        ];
        find(&disk, &VolumeName(name.into())).map(|partition| partition.number).map_err(|no| no.detail)
    }

    #[test]
    fn a_volume_is_known_by_its_partitions_name_and_else_by_its_file_systems_label() {
        assert_eq!(found("rootfs"), Ok(2), "a name counts more than a label");
        assert_eq!(found("data"), Ok(3));
    }

    #[test]
    fn two_of_one_name_are_refused_and_where_there_is_none_the_list_is_shown() {
        assert_eq!(
            found("spare"),
            Err(r#"partitions 4 and 5 of the disk are all called "spare": give them different names in the image"#
                .into())
        );
        let none = found("persistent").expect_err("there is none");
        assert!(none.contains(r#"is called "persistent"; it has 1 "esp" (label "ESP"), 2 "rootfs""#), "{none}");
        assert!(found("").is_err(), "nothing is no name");
    }
}
