//! As much of iPXE as the station's scripts use: settings, labels, `||` and `&&`, and the commands that boot.
//!
//! Pure: it is told how the last action went and says which one is next. Commands it does not know do nothing and
//! succeed, so that a script may show and ask what it likes.

use std::collections::{BTreeMap, VecDeque};

/// A running iPXE.
#[derive(Clone, Debug)]
pub(super) struct Ipxe {
    settings: BTreeMap<String, String>,
    /// Scripts that called each other, the running one last.
    scripts: Vec<RunningScript>,
    /// The kernel that was fetched: its command line.
    kernel: Option<String>,
    pending: Option<Pending>,
    steps: u32,
}

/// What iPXE wants done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum IpxeAction {
    /// Fetch a script; its text is the answer.
    Script {
        url: String,
    },
    /// Fetch a kernel or an initramfs.
    Load {
        url: String,
    },
    Sleep {
        seconds: u64,
    },
    /// Start the kernel with this command line. There is no way back.
    Boot {
        cmdline: String,
    },
    /// Go on to the machine's own disk: the firmware's next boot device, or the disk itself.
    OwnDisk,
    /// The scripts ended with this error; firmware would look for another way to boot.
    GiveUp,
}

/// How an action went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ActionResult {
    Done,
    Text(String),
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pending {
    Chain {
        replace: bool,
    },
    /// A question for a key, which nobody presses.
    Key,
    Other,
}

impl Ipxe {
    /// An iPXE that begins with the script `text`.
    pub(super) fn begin(settings: BTreeMap<String, String>, text: &str) -> Self {
        Self { settings, scripts: vec![RunningScript::new(text)], kernel: None, pending: None, steps: 0 }
    }

    /// Goes on to the next action. The first time there is nothing to answer: [`ActionResult::Done`].
    pub(super) fn next(&mut self, answer: ActionResult) -> IpxeAction {
        let mut went_well = self.take_in(answer);
        while self.steps < STEPS {
            self.steps += 1;
            let Some(script) = self.scripts.last_mut() else {
                return if went_well { IpxeAction::OwnDisk } else { IpxeAction::GiveUp };
            };
            match script.next(went_well) {
                Next::Command(words) => match self.execute(&words) {
                    Executed::Went(well) => went_well = well,
                    Executed::Asks(action) => return action,
                },
                Next::Ended(well) => {
                    self.scripts.pop();
                    went_well = well;
                }
            }
        }
        IpxeAction::GiveUp
    }

    fn take_in(&mut self, answer: ActionResult) -> bool {
        match (self.pending.take(), answer) {
            (_, ActionResult::Failed) => false,
            (Some(Pending::Chain { replace }), ActionResult::Text(text)) if text.starts_with("#!ipxe") => {
                if replace {
                    self.scripts.pop();
                }
                self.scripts.push(RunningScript::new(&text));
                true
            }
            // Not a script: nothing that could be run.
            (Some(Pending::Chain { .. }), ActionResult::Text(_) | ActionResult::Done) => false,
            (Some(Pending::Key), ActionResult::Text(_) | ActionResult::Done) => false,
            (Some(Pending::Other) | None, ActionResult::Text(_) | ActionResult::Done) => true,
        }
    }

    fn execute(&mut self, command: &str) -> Executed {
        let words = self.expanded(command);
        let words: Vec<&str> = words.split_ascii_whitespace().collect();
        let Some((name, arguments)) = words.split_first() else { return Executed::Went(true) };
        let (options, rest) = without_options(arguments);
        let url = rest.first().map(|url| (*url).to_owned());
        match (*name, url) {
            ("chain" | "imgexec", Some(url)) => {
                self.pending = Some(Pending::Chain { replace: options.contains(&"--replace") });
                Executed::Asks(IpxeAction::Script { url })
            }
            ("kernel" | "imgselect", Some(url)) => {
                self.kernel = Some(rest[1..].join(" "));
                self.load(url)
            }
            ("initrd" | "module", Some(url)) => self.load(url),
            ("boot", None) => match self.kernel.take() {
                Some(cmdline) => Executed::Asks(IpxeAction::Boot { cmdline }),
                None => Executed::Went(false),
            },
            ("imgfree", _) => {
                self.kernel = None;
                Executed::Went(true)
            }
            ("sleep", Some(seconds)) => {
                self.pending = Some(Pending::Other);
                Executed::Asks(IpxeAction::Sleep { seconds: seconds.parse().unwrap_or(1) })
            }
            ("prompt", _) => {
                self.pending = Some(Pending::Key);
                let limit = arguments.iter().position(|word| *word == "--timeout").and_then(|at| arguments.get(at + 1));
                let millis = limit.and_then(|limit| limit.parse::<u64>().ok()).unwrap_or_default();
                Executed::Asks(IpxeAction::Sleep { seconds: millis / 1000 })
            }
            ("set", Some(setting)) => {
                let name = setting.split(':').next().unwrap_or_default().to_owned();
                self.settings.insert(name, rest[1..].join(" "));
                Executed::Went(true)
            }
            ("inc", Some(setting)) => {
                let value = self.settings.entry(setting).or_default();
                *value = (value.parse::<i64>().unwrap_or(0) + 1).to_string();
                Executed::Went(true)
            }
            // Its firmware begins again.
            ("reboot", _) => Executed::Asks(IpxeAction::GiveUp),
            ("isset", value) => Executed::Went(value.is_some()),
            ("iseq", _) => Executed::Went(matches!(rest[..], [left, right] if left == right)),
            ("goto", Some(label)) => Executed::Went(self.scripts.last_mut().is_some_and(|script| script.go_to(&label))),
            ("exit", code) => {
                let code = code.and_then(|code| code.parse::<i64>().ok()).unwrap_or(0);
                self.scripts.clear();
                // A firmware that is given back the boot goes on to its next device, whatever the code says.
                Executed::Asks(if code == 0 { IpxeAction::OwnDisk } else { IpxeAction::GiveUp })
            }
            ("sanboot", _) => Executed::Asks(IpxeAction::OwnDisk),
            _ => Executed::Went(true),
        }
    }

    fn load(&mut self, url: String) -> Executed {
        self.pending = Some(Pending::Other);
        Executed::Asks(IpxeAction::Load { url })
    }

    /// `command` with every `${setting:type}` replaced by its value, the inner of two first; one that is not set has none.
    fn expanded(&self, command: &str) -> String {
        let mut command = command.to_owned();
        while let Some(end) = command.find('}') {
            let Some(start) = command[..end].rfind("${") else { break };
            let name = &command[start + 2..end];
            let (name, format) = name.split_once(':').unwrap_or((name, ""));
            let name = ["net0/", "netX/"].iter().find_map(|card| name.strip_prefix(card)).unwrap_or(name);
            let value = formatted(self.settings.get(name).map_or("", String::as_str), format);
            command.replace_range(start..=end, &value);
        }
        command
    }
}

enum Executed {
    Went(bool),
    Asks(IpxeAction),
}

/// A script and the place in it.
#[derive(Clone, Debug)]
struct RunningScript {
    lines: Vec<String>,
    at: usize,
    /// What is left of the present line: commands, each with what must be true of the one before.
    rest: VecDeque<(Only, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Only {
    First,
    After { success: bool },
}

enum Next {
    Command(String),
    Ended(bool),
}

impl RunningScript {
    fn new(text: &str) -> Self {
        Self { lines: text.lines().map(|line| line.trim().to_owned()).collect(), at: 0, rest: VecDeque::new() }
    }

    /// The next command, given how the last one went. A line that ends in failure ends the script.
    fn next(&mut self, went_well: bool) -> Next {
        while let Some((only, command)) = self.rest.pop_front() {
            if only == (Only::After { success: went_well }) {
                return Next::Command(command);
            }
        }
        if !went_well {
            return Next::Ended(false);
        }
        while let Some(line) = self.lines.get(self.at) {
            self.at += 1;
            if line.is_empty() || line.starts_with(['#', ':']) {
                continue;
            }
            self.rest = commands(line);
            if let Some((_, first)) = self.rest.pop_front() {
                return Next::Command(first);
            }
        }
        Next::Ended(true)
    }

    fn go_to(&mut self, label: &str) -> bool {
        let found = self.lines.iter().position(|line| line.strip_prefix(':') == Some(label));
        self.at = found.unwrap_or(self.at);
        self.rest.clear();
        found.is_some()
    }
}

/// The commands of a line. `||` and `&&` stand between white space.
fn commands(line: &str) -> VecDeque<(Only, String)> {
    let mut commands = VecDeque::from([(Only::First, String::new())]);
    for word in line.split_ascii_whitespace() {
        match (word, commands.back_mut()) {
            ("||", _) => commands.push_back((Only::After { success: false }, String::new())),
            ("&&", _) => commands.push_back((Only::After { success: true }, String::new())),
            (word, Some((_, command))) => {
                command.push_str(word);
                command.push(' ');
            }
            (_, None) => {}
        }
    }
    commands
}

/// The options among `arguments`, and the rest.
fn without_options<'a>(arguments: &[&'a str]) -> (Vec<&'a str>, Vec<&'a str>) {
    let mut rest = arguments;
    let mut options = Vec::new();
    while let Some((option, tail)) = rest.split_first().filter(|(word, _)| word.starts_with("--")) {
        options.push(*option);
        rest = if WITH_VALUE.contains(option) { tail.get(1..).unwrap_or_default() } else { tail };
    }
    (options, rest.to_vec())
}

/// A value as `${setting:format}` shows it.
fn formatted(value: &str, format: &str) -> String {
    match format {
        "hexhyp" => value.replace(':', "-"),
        "hexraw" => value.replace(':', ""),
        "uristring" => {
            let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
            value
                .bytes()
                .map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
                .collect()
        }
        _ => value.to_owned(),
    }
}

/// A script that loops without ever doing anything is stopped.
const STEPS: u32 = 100_000;
const WITH_VALUE: &[&str] = &["--timeout", "--name", "--drive", "--filename", "--label", "--extra", "--key"];

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `script`, answering every action as `answers` say, and gives the actions as text.
    fn actions(script: &str, answers: &[ActionResult]) -> Vec<String> {
        let settings =
            [("mac", "52:54:00:5b:00:01"), ("serial", "SIM 1"), ("uuid", "6f78626f-7773-4169-806d-5254005b0001")];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let mut ipxe = Ipxe::begin(settings, script);
        std::iter::once(&ActionResult::Done).chain(answers).map(|answer| said(&ipxe.next(answer.clone()))).collect()
    }

    fn said(action: &IpxeAction) -> String {
        match action {
            IpxeAction::Script { url } => format!("script {url}"),
            IpxeAction::Load { url } => format!("load {url}"),
            IpxeAction::Sleep { seconds } => format!("sleep {seconds}"),
            IpxeAction::Boot { cmdline } => format!("boot {cmdline}"),
            IpxeAction::OwnDisk => "own disk".into(),
            IpxeAction::GiveUp => "give up".into(),
        }
    }

    const ASK: &str = "#!ipxe\n# who\nset station http://10.77.0.1\n:ask\necho asking ${station}\n\
        chain --replace --autofree ${station}/boot.ipxe?mac=${mac:hexhyp}&serial=${serial:uristring}&uuid=${netX/uuid}&x=${y} || goto again\n\
        :again\nsleep 3\ngoto ask\n";

    const INSTALL: &str = "#!ipxe\nset station http://10.77.0.1\n\
        kernel --timeout 15000 ${station}/boot/vmlinuz a=1 oxbow.run=x || goto failed\n\
        initrd --name initramfs.img --timeout 3 ${station}/boot/initramfs.img || goto failed\nboot || goto failed\n\
        :failed\nimgfree\nsleep 5\nchain --replace --autofree ${station}/boot.ipxe || goto failed\n";

    #[test]
    fn a_machine_says_who_it_is_and_asks_again_until_it_is_answered() {
        let asked = "script http://10.77.0.1/boot.ipxe?mac=52-54-00-5b-00-01&serial=SIM%201\
            &uuid=6f78626f-7773-4169-806d-5254005b0001&x=";
        assert_eq!(actions(ASK, &[ActionResult::Failed, ActionResult::Done]), [asked, "sleep 3", asked]);
    }

    #[test]
    fn kernel_and_initramfs_are_loaded_and_booted_with_the_scripts_words() {
        let answers = [ActionResult::Text(INSTALL.into()), ActionResult::Done, ActionResult::Done];
        assert_eq!(
            actions(ASK, &answers)[1..],
            ["load http://10.77.0.1/boot/vmlinuz", "load http://10.77.0.1/boot/initramfs.img", "boot a=1 oxbow.run=x"]
        );
    }

    #[test]
    fn what_cannot_be_loaded_is_tried_again_later() {
        assert_eq!(
            actions(INSTALL, &[ActionResult::Failed, ActionResult::Done, ActionResult::Failed]),
            ["load http://10.77.0.1/boot/vmlinuz", "sleep 5", "script http://10.77.0.1/boot.ipxe", "sleep 5"]
        );
    }

    #[test]
    fn a_key_is_waited_for_and_never_pressed_and_a_count_leads_to_a_restart() {
        let script = "#!ipxe\nset card:int32 0\n:again\ninc tries\niseq ${tries} 3 && goto restart ||\n\
            prompt --key 0x02 --timeout 3000 Ctrl-B for the command line && shell ||\ngoto again\n\
            :restart\nisset ${net${card}/mac} && isset ${net1/mac} || reboot\nsleep 9\n";
        assert_eq!(actions(script, &[ActionResult::Done, ActionResult::Done]), ["sleep 3", "sleep 3", "give up"]);
    }

    #[test]
    fn both_ways_to_the_own_disk_lead_there() {
        assert_eq!(actions("#!ipxe\necho done\nexit\n", &[]), ["own disk"]);
        assert_eq!(
            actions("#!ipxe\nsanboot --no-describe --drive 0 --filename \\EFI\\BOOT\\BOOTX64.EFI || exit 1\n", &[]),
            ["own disk"]
        );
    }

    #[test]
    fn a_script_that_was_called_comes_back_and_one_that_replaced_does_not() {
        let called = ActionResult::Text("#!ipxe\necho inner\n".into());
        assert_eq!(
            actions("#!ipxe\nchain http://a/b && sleep 1\n", std::slice::from_ref(&called)),
            ["script http://a/b", "sleep 1"]
        );
        assert_eq!(
            actions("#!ipxe\nchain --replace http://a/b && sleep 1\n", &[called]),
            ["script http://a/b", "own disk"]
        );
    }

    #[test]
    fn scripts_that_fail_or_go_round_in_circles_end() {
        assert_eq!(actions("#!ipxe\nchain http://a/b\nsleep 9\n", &[ActionResult::Failed])[1], "give up");
        assert_eq!(actions("#!ipxe\nchain http://a/b\n", &[ActionResult::Text("<html>".into())])[1], "give up");
        assert_eq!(actions("#!ipxe\n:x\ngoto x\n", &[]), ["give up"]);
        assert_eq!(actions("#!ipxe\ngoto nowhere\n", &[]), ["give up"]);
    }

    #[test]
    fn conditions_choose_what_follows_on_the_line() {
        assert_eq!(actions("#!ipxe\nisset ${nothing} && sleep 1 || sleep 2\n", &[]), ["sleep 2"]);
        assert_eq!(actions("#!ipxe\niseq a a && sleep 1 || sleep 2\n", &[]), ["sleep 1"]);
    }
}
