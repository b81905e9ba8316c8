use super::*;
use crate::domain::profile::configuration::{DiskLayout, NetworkBootPlace};
use crate::domain::profile::expectation::Expectation;
use crate::domain::profile::sample::Sample;
use crate::domain::profile::{After, Architecture, CloudInitAt, Install, filled};

fn complaints(text: &str) -> Vec<String> {
    parse("demo.toml", text).expect_err("it is wrong").iter().map(ToString::to_string).collect()
}

#[test]
fn the_least_profile_is_a_schema_and_an_image() {
    let profile = parse("emt-s.toml", "schema = 1\nimage = \"edge.raw.gz\"\n").expect("a profile");
    let image = profile.image().expect("it writes one");
    assert_eq!((profile.id.as_str(), profile.title.as_str(), image.file.as_str()), ("emt-s", "emt-s", "edge.raw.gz"));
    assert_eq!((profile.architecture, profile.after), (Architecture::X86_64, After::Reboot));
}

#[test]
fn misspelt_keys_are_all_named_with_their_lines_and_what_was_meant() {
    let said = complaints(
        "schema = 1\nimagee = \"edge.raw.gz\"\nsecureboot = true\nfoo = 1\n[disk]\npikc = \"only\"\n[[file]]\nmod = \"1\"\n",
    );
    assert_eq!(
        said,
        [
            "demo.toml:2: there is no key \"imagee\"\nhint: did you mean \"image\"?",
            "demo.toml:3: there is no key \"secureboot\"\nhint: did you mean \"secure_boot\"?",
            "demo.toml:4: there is no key \"foo\"\nhint: compare it with the explained profiles/demo.toml",
            "demo.toml:6: there is no key \"pikc\" in [disk]\nhint: did you mean \"pick\"?",
            "demo.toml:8: there is no key \"mod\" in [file]\nhint: did you mean \"mode\"?",
        ]
    );
}

#[test]
fn secure_boot_by_https_alone_is_refused_and_never_done_by_http() {
    let said = complaints("schema = 1\nimage = \"edge.raw.gz\"\nhttps = true\nsecure_boot = true\n");
    assert!(said.len() == 1 && said[0].starts_with("demo.toml:4: secure_boot and https exclude"), "{said:?}");
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let said = complaints("schema = 9\nimage = \"../etc/passwd\"\nsha256 = \"12\"\n[disk]\ntransport = []\n");
    assert_eq!(said.len(), 4, "{said:?}");
}

#[test]
fn an_image_may_be_named_by_its_url_and_who_misses_it_is_told_how_to_fetch_it() {
    let url = "https://example.org/3.1/edge.raw.gz?mirror=2";
    let profile = parse("emt-s.toml", &format!("schema = 1\nimage = \"{url}\"\n")).expect("a profile");
    assert_eq!(profile.image().expect("it writes one").file, "edge.raw.gz");
    assert_eq!(profile.source, Some(format!("`oxbow images add {url}`")));
    let said = complaints("schema = 1\nimage = \"https://example.org/\"\n");
    assert!(said[0].starts_with("demo.toml:2: image \"\" is not a file name"), "{said:?}");
}

#[test]
fn an_image_and_an_installer_exclude_each_other_and_one_is_needed() {
    let installer = "[installer]\nkernel = \"linux\"\ninitrd = \"initrd.gz\"\n";
    let both = complaints(&format!("schema = 1\nimage = \"a\"\n{installer}"));
    assert!(both[0].starts_with("demo.toml:3: it has an image and an [installer]"), "{both:?}");
    let none = complaints("schema = 1\n");
    assert!(none[0].starts_with("demo.toml: it has neither an image nor an [installer]"), "{none:?}");
    let mixed =
        complaints(&format!("schema = 1\nkernel_args = [\"quiet\"]\nafter = \"wait\"\nhttps = true\n{installer}"));
    assert_eq!(mixed.len(), 3, "{mixed:?}");
    assert!(mixed[0].starts_with("demo.toml:2: kernel_args is for images"), "{mixed:?}");
}

#[test]
fn what_a_profile_expects_is_read_as_people_write_it() {
    let text = "schema = 1\nimage = \"a\"\napprove = true\n[expect]\nmin_memory = \"16 GiB\"\nmin_threads = 8\n\
        disk_model = [\"SAMSUNG*\", \"INTEL*\"]\nbios_version = \"1.07*\"\ntpm = \"2.0\"\nsecure_boot = false\n\
        min_nic_speed = 2500\n";
    let profile = parse("demo.toml", text).expect("a profile");
    let expected = Expectation {
        min_memory_bytes: Some(16 << 30),
        min_threads: Some(8),
        disk_model: vec!["SAMSUNG*".into(), "INTEL*".into()],
        bios_version: vec!["1.07*".into()],
        tpm: Some("2".into()),
        secure_boot: Some(false),
        min_nic_speed: Some(2500),
    };
    assert_eq!((profile.approve, profile.expect), (true, expected));
}

#[test]
fn expectations_that_mean_nothing_are_refused_with_their_lines() {
    let said = complaints(
        "schema = 1\nimage = \"a\"\n[expect]\nmin_memory = \"16 G\"\ntpm = \"3\"\nbios_version = \"\"\n\
         [disk]\ntransport = [\"sata\"]\nboots_from = [\"nvme\"]\n",
    );
    let begin = [
        "demo.toml:9: the system starts from none of the disks that the rule allows",
        "demo.toml:6: bios_version has an empty text",
        "demo.toml:4: \"16 G\" is no size",
        "demo.toml:5: there is no TPM of version \"3\"",
    ];
    assert_eq!(said.len(), begin.len(), "{said:?}");
    assert!(said.iter().zip(begin).all(|(said, begin)| said.starts_with(begin)), "{said:?}");
    let said = complaints("schema = 1\nimage = \"a\"\n[expect]\nmin_memori = 1\n");
    assert!(said[0].starts_with("demo.toml:4: there is no key \"min_memori\" in [expect]"), "{said:?}");
}

#[test]
fn an_installer_is_not_asked_what_its_machine_is_made_of() {
    let installer = "[installer]\nkernel = \"linux\"\ninitrd = \"initrd.gz\"\n";
    let said = complaints(&format!("schema = 1\napprove = true\n{installer}[expect]\nmin_threads = 1\n"));
    assert!(said.len() == 2 && said[0].starts_with("demo.toml:6: expect is for images"), "{said:?}");
    assert!(said[1].starts_with("demo.toml:2: approve is for images"), "{said:?}");
}

#[test]
fn an_image_for_arm_is_refused_as_nothing_could_write_it() {
    let said = complaints("schema = 1\nimage = \"a\"\narchitecture = \"aarch64\"\n");
    assert!(said[0].starts_with("demo.toml:3: images are written by the install system"), "{said:?}");
}

const INSTALLER: &str = r#"
schema = 1
[installer]
kernel = "linux"
initrd = ["initrd.gz", "firmware.cpio"]
arguments = ["auto", "url={{ run.answers }}"]
answers = "demo/preseed.cfg"
[[file]]
path = "/etc/motd"
mode = "0600"
owner = "root"
content = """
This is {{ node.name }}
of {{ node.metadata["Cost centre"] }}.
"""
[cloud_init]
user_data = "demo/user-data"
"#;

fn beside(name: &str) -> Result<String, String> {
    match name {
        "demo/preseed.cfg" => Ok("d-i netcfg/hostname string {{ node.hostname or node.name }}\n".into()),
        "demo/user-data" => Ok("#cloud-config\n{% if node.site %}\n# {{ node.site }}\n{% endif %}\n".into()),
        _ => Err("no such file".into()),
    }
}

#[test]
fn an_installer_has_its_files_arguments_and_answers() {
    let profile = read("demo.toml", INSTALLER, &beside).expect("a profile");
    let Install::Installer(installer) = &profile.install else { panic!("{profile:?}") };
    assert_eq!(installer.boot_files().collect::<Vec<_>>(), ["linux", "initrd.gz", "firmware.cpio"]);
    assert_eq!((profile.files[0].mode, profile.files[0].owner.as_str()), (0o600, "root"));
    let sample = Sample::default();
    let values = filled::values(sample.occasion(&profile));
    let filled: Vec<String> = filled::templates(&profile)
        .into_iter()
        .map(|template| filled::fill(template, &values).expect("it was tried"))
        .collect();
    let run = "5a".repeat(16);
    assert_eq!(filled[1], format!("url=http://10.77.0.1/r/{run}/answers"));
    assert_eq!(filled[2], "d-i netcfg/hostname string sample\n");
    assert_eq!(filled[3], "This is sample\nof sample.\n");
    assert_eq!(filled[4], "#cloud-config\n# sample\n");
}

#[test]
fn a_template_that_is_not_there_or_outside_is_said_with_its_line() {
    let text = INSTALLER.replace("demo/preseed.cfg", "preseed").replace("demo/user-data", "../passwd");
    let said: Vec<String> =
        read("demo.toml", &text, &beside).expect_err("wrong").iter().map(Diagnostic::place_and_what).collect();
    assert_eq!(
        said,
        [
            "demo.toml:7: the template preseed cannot be read: no such file",
            "demo.toml:17: \"../passwd\" is no file beside the profile",
        ]
    );
}

#[test]
fn names_that_mean_nothing_are_said_wherever_they_stand() {
    let text = INSTALLER
        .replace("run.answers", "run.answer")
        .replace("node.name }}", "node.nmae }}\n{% if false %}{{ nodes.name }}{% endif %}");
    let said: Vec<String> =
        read("demo.toml", &text, &beside).expect_err("wrong").iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "demo.toml:6: nothing is called run.answer\nhint: did you mean run.answers?",
            "demo.toml:13: nothing is called node.nmae\nhint: did you mean node.name?",
            "demo.toml:14: nothing is called nodes.name\nhint: did you mean node?",
        ]
    );
}

#[test]
fn a_template_with_a_mistake_in_its_language_is_said_with_its_line() {
    let broken = |name: &str| match name {
        "demo/user-data" => Ok("#cloud-config\n\n{% if node.site %}\n".into()),
        name => beside(name),
    };
    let said = read("demo.toml", INSTALLER, &broken).expect_err("wrong");
    assert_eq!((said[0].file.as_str(), said[0].line.is_some()), ("demo/user-data", true), "{said:?}");
}

#[test]
fn what_is_not_known_of_a_node_is_never_written_as_if_it_were() {
    let profile = read("demo.toml", INSTALLER, &beside).expect("a profile");
    let sample = Sample::default();
    let mut node = crate::domain::node::Node::new(crate::domain::ids::NodeId(7), Default::default());
    node.metadata = [("cost CENTRE".to_owned(), "4711".to_owned())].into();
    let known = filled::TemplateScope { node: &node, ..sample.occasion(&profile) };
    assert_eq!(filled::unfilled(known), [], "the host name has a replacement, the site is asked for");
    let nothing = crate::domain::node::Node::new(crate::domain::ids::NodeId(7), Default::default());
    let unknown = filled::TemplateScope { node: &nothing, ..sample.occasion(&profile) };
    let said: Vec<String> = filled::unfilled(unknown).iter().map(ToString::to_string).collect();
    assert_eq!(said, ["demo.toml:14: node.metadata[\"Cost centre\"] is not known of this node"]);
}

#[test]
fn files_say_where_they_belong_whose_they_are_and_what_is_in_them() {
    let said = complaints(
        "schema = 1\nimage = \"a\"\n[[file]]\npath = \"etc/motd\"\nmode = \"rw\"\nowner = \"root root\"\ncontent = \"\"\n\
         [[file]]\npath = \"/a\"\n",
    );
    let said: Vec<&str> = said.iter().map(|said| said.lines().next().unwrap_or_default()).collect();
    assert_eq!(
        said,
        [
            "demo.toml:4: path \"etc/motd\" does not say where the file belongs",
            "demo.toml:5: the mode is not octal",
            "demo.toml:6: owner \"root root\" is neither user nor user:group",
            "demo.toml:9: /a has neither a template nor content, or both",
        ]
    );
}

#[test]
fn every_key_is_explained_in_a_shipped_profile() {
    let shipped =
        [include_str!("../../../../profiles/demo.toml"), include_str!("../../../../profiles/debian-installer.toml")];
    let is_written = |key: &str| {
        let mut lines = shipped.iter().flat_map(|text| text.lines()).map(|line| line.trim_start_matches("# "));
        let heads = [
            format!("{key} = "),
            format!("[{key}]"),
            format!("[[{key}]]"),
            format!("[system.{key}]"),
            format!("[[system.{key}]]"),
        ];
        lines.any(|line| heads.iter().any(|head| line.starts_with(head.as_str())))
    };
    let missing: Vec<_> = keys::all().into_iter().filter(|key| !is_written(key) && *key != "template").collect();
    assert_eq!(missing, [""; 0], "say what it means in profiles/demo.toml");
}

#[test]
fn what_follows_the_image_is_read_with_its_usual_places() {
    let text = "schema = 1\nimage = \"a\"\n[configure]\nroot = \"system\"\ncloud_init = \"cidata\"\n\
        [[file]]\npath = \"/etc/motd\"\ncontent = \"\"\n[[file]]\nvolume = \"data\"\npath = \"/etc/motd\"\ncontent = \"\"\n\
        [[archive]]\npath = \"/apps\"\nfile = \"apps.tar\"\n[layout]\nkind = \"ab-verity\"\nswap_mib = 64\n\
        [boot_entry]\nlabel = \"Own\"\nstale = [\"Old\"]\nnetwork = \"off\"\n[first_boot]\nwithin_minutes = 5\n";
    let profile = parse("demo.toml", text).expect("a profile");
    let on: Vec<_> = profile.files.iter().map(|file| file.volume.0.as_str()).collect();
    assert_eq!((on, profile.archives[0].volume.0.as_str()), (vec!["system", "data"], "system"));
    assert_eq!(profile.needs(), ["a", "apps.tar"]);
    assert_eq!(profile.cloud_init_at, CloudInitAt::Cidata);
    let Some(DiskLayout::AbVerity(layout)) = &profile.layout else { panic!("{profile:?}") };
    assert_eq!((layout.rootfs_mib, layout.swap_mib), (4096, Some(64)));
    let entry = profile.boot_entry.as_ref().expect("an entry");
    assert_eq!((entry.loader.as_str(), entry.network), ("\\EFI\\BOOT\\BOOTX64.EFI", NetworkBootPlace::Off));
    assert!(profile.follows() && profile.makes_user_data());
}

#[test]
fn a_profile_whose_machines_get_an_image_alone_asks_for_nothing_more() {
    let profile = parse("demo.toml", "schema = 1\nimage = \"a\"\n").expect("a profile");
    assert!(!profile.follows() && !profile.has_documents());
}

#[test]
fn what_is_wrong_with_what_follows_the_image_is_said_with_its_line() {
    let said = complaints(
        "schema = 1\nimage = \"a\"\n[[archive]]\nvolume = \"\"\npath = \"apps\"\nfile = \"../apps.tar\"\n\
         [layout]\nkind = \"lvm\"\n[boot_entry]\nlabel = \" \"\nloader = \"/boot/x\"\nstale = [\"\"]\n\
         [first_boot]\nwithin_minutes = 0\n[system.network]\ndhcp = true\naddress = \"10.0.0.7/24\"\n",
    );
    let said: Vec<&str> = said.iter().map(|said| said.lines().next().unwrap_or_default()).collect();
    assert_eq!(
        said,
        [
            "demo.toml:14: within_minutes = 0 is no time to wait for a machine",
            "demo.toml:4: \"\" is no name of a partition, nor a label",
            "demo.toml:5: path \"apps\" does not say where the archive belongs",
            "demo.toml:6: file \"../apps.tar\" is not a file name",
            "demo.toml:8: the layout \"lvm\" is not known",
            "demo.toml:10: \" \" is no name for a firmware's menu",
            "demo.toml:11: the loader \"/boot/x\" is no file of the ESP",
            "demo.toml:12: one of the stale names is empty, and every entry begins with that",
            "demo.toml:15: it says neither dhcp nor an address, or both",
        ]
    );
}

#[test]
fn a_password_in_clear_is_refused_and_not_repeated() {
    let said = complaints(
        "schema = 1\nimage = \"a\"\n[[system.user]]\nname = \"operator\"\npassword_hash = \"correct horse\"\n\
         [[system.user]]\nname = \"Root User\"\nssh_keys = [\"my key\"]\n[[system.user]]\nname = \"nobody\"\n",
    );
    let lines: Vec<&str> = said.iter().map(|said| said.lines().next().unwrap_or_default()).collect();
    assert_eq!(
        lines,
        [
            "demo.toml:5: this is no hash that crypt(3) makes",
            "demo.toml:7: \"Root User\" is no name of an account",
            "demo.toml:8: \"my key\" is no public key",
            "demo.toml:10: nobody could log in as nobody: it has neither password_hash nor ssh_keys",
        ]
    );
    assert!(!said.concat().contains("horse"), "{said:?}");
}

#[test]
fn what_contradicts_itself_is_refused_with_words() {
    let user_data = |name: &str| match name {
        "u" => Ok("#cloud-config\n".to_owned()),
        "home" => Ok("curl {{ run.home }}\n".to_owned()),
        _ => Err("no such file".to_owned()),
    };
    for (text, words) in [
        (
            "[system]\nhostname = \"a\"\n[cloud_init]\nuser_data = \"u\"\n",
            "3: it has user data of its own, and what [system]",
        ),
        (
            "[system.network]\ndhcp = true\n[cloud_init]\nnetwork_config = \"u\"\n",
            "3: [system.network] and cloud-init's own",
        ),
        ("[configure]\ncloud_init = \"emt\"\n[cloud_init]\nmeta_data = \"u\"\n", "6: the toolkit reads no meta_data"),
        (
            "[first_boot]\nwithin_minutes = 5\n[cloud_init]\nuser_data = \"u\"\n",
            "3: [first_boot] waits for a call home, and",
        ),
        (
            "[first_boot]\nwithin_minutes = 5\noutput = true\n[cloud_init]\nuser_data = \"home\"\n",
            "5: cloud-init's output is sent by user data that is made here",
        ),
        ("after = \"wait\"\n[first_boot]\nwithin_minutes = 5\n", "3: [first_boot] waits for the machine's own system"),
    ] {
        let text = format!("schema = 1\nimage = \"a\"\n{text}");
        let said: Vec<String> =
            read("demo.toml", &text, &user_data).expect_err("wrong").iter().map(Diagnostic::place_and_what).collect();
        assert!(said.len() == 1 && said[0].starts_with(&format!("demo.toml:{words}")), "{words}: {said:?}");
    }
}

#[test]
fn what_the_toolkit_is_told_stands_beside_user_data_of_ones_own() {
    let text = "schema = 1\nimage = \"a\"\n[configure]\ncloud_init = \"emt\"\n[system]\nhostname = \"a\"\n\
                [system.network]\ndhcp = true\n[first_boot]\nwithin_minutes = 5\n[cloud_init]\nuser_data = \"u\"\n";
    let profile = read("emt.toml", text, &|_| Ok("#cloud-config\n".into())).expect("a profile");
    assert!(profile.makes_user_data() && profile.cloud_init.user_data.is_some());
}

#[test]
fn an_installer_refuses_what_its_machines_have_no_agent_for() {
    let text = format!(
        "{INSTALLER}[configure]\nroot = \"a\"\n[system]\ntimezone = \"UTC\"\n[layout]\nkind = \"ab-verity\"\n\
         [boot_entry]\nlabel = \"a\"\n[first_boot]\nwithin_minutes = 5\n[[archive]]\npath = \"/a\"\nfile = \"a\"\n"
    )
    .replace("[[file]]", "[[file]]\nvolume = \"a\"");
    let wrong = read("demo.toml", &text, &beside).expect_err("wrong");
    let said: Vec<String> = wrong.iter().map(Diagnostic::place_and_what).collect();
    assert_eq!(said.iter().filter(|said| said.contains("is carried out by the agent")).count(), 6, "{said:?}");
    assert!(said.iter().any(|said| said.starts_with("demo.toml:9: volume is for the agent")), "{said:?}");
}

proptest::proptest! {
    #[test]
    fn no_text_is_a_fault(text in "[\\[\\]{}=.\"'#%_\\- \na-z0]{0,80}", template in "[{}%#|.()'\" a-z0-9]{0,60}") {
        let _says_why = parse("a.toml", &text);
        let text = "schema = 1\nimage = \"a\"\n[cloud_init]\nuser_data = \"t\"\n";
        let _says_why_too = read("a.toml", text, &|_| Ok(template.clone()));
    }
}
