//! File, environment and flags become one validated configuration. All problems are reported at once, each with a hint.

pub mod screen;
pub mod webhook;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::boot::dhcp::rogue::{BadDhcpChoice, DhcpChoice, ModeState};
use crate::boot::dhcp::segment::{BadSegment, Relayed, Segment};
use crate::data_dir::DataDir;
use crate::domain::ids::ProfileId;
use crate::domain::station::policy::{NoSuchPolicy, Policy};

pub use screen::ScreenSettings;
pub use webhook::{Webhook, WebhookSettings};

/// What a person may set; flags come before the environment, both before the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, clap::Args)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The network interface that the machines are connected to
    #[arg(long, short, value_name = "IF", env = "OXBOW_INTERFACE")]
    pub interface: Option<String>,
    /// The data directory [default: /var/lib/oxbow]
    #[arg(long, value_name = "DIR", env = "OXBOW_DATA")]
    pub data: Option<PathBuf>,
    /// The profiles, one TOML file each [default: DATA/profiles]
    #[arg(long, value_name = "DIR", env = "OXBOW_PROFILES")]
    pub profiles: Option<PathBuf>,
    /// The images that profiles name [default: DATA/images]
    #[arg(long, value_name = "DIR", env = "OXBOW_IMAGES")]
    pub images: Option<PathBuf>,
    /// Boot programs, kernel and initramfs [default: /usr/share/oxbow/boot]
    #[arg(long, value_name = "DIR", env = "OXBOW_BOOT_FILES")]
    pub boot_files: Option<PathBuf>,
    /// The profile of unregistered machines
    #[arg(long, value_name = "PROFILE", env = "OXBOW_DEFAULT_PROFILE")]
    pub default_profile: Option<String>,
    /// What a new station does with unregistered machines: default (they get the default profile), hold (they wait for
    /// approval), refuse (they get nothing), or allow-list (they boot from their own disk) [default: default]
    #[arg(long, value_name = "POLICY", env = "OXBOW_POLICY")]
    pub policy: Option<String>,
    /// First and last address for machines [default: .100 to .250 of the interface's network, or what fits]
    #[arg(long, value_name = "FIRST-LAST", env = "OXBOW_POOL")]
    pub pool: Option<String>,
    /// A network behind a relay agent that gets addresses too: the agent's address there, and the pool; may be repeated
    #[arg(long, value_name = "AGENT/PREFIX=FIRST-LAST", env = "OXBOW_RELAY_POOL", value_delimiter = ' ')]
    pub relay_pool: Vec<String>,
    /// The DHCP mode: authoritative (the station gives addresses), proxy (the site's DHCP server does), or auto (proxy
    /// where another server answers) [default: authoritative]
    #[arg(long, value_name = "MODE", env = "OXBOW_DHCP")]
    pub dhcp: Option<String>,
    /// Give addresses even if another DHCP server answers on the interface
    #[arg(long, env = "OXBOW_DHCP_FORCE")]
    pub dhcp_force: bool,
    /// Serve on the interface even if it carries the workstation's default route
    #[arg(long, env = "OXBOW_ALLOW_DEFAULT_ROUTE")]
    pub allow_default_route: bool,
    /// TCP port of the HTTP server [default: 80]
    #[arg(long, value_name = "PORT", env = "OXBOW_HTTP_PORT")]
    pub http_port: Option<u16>,
    /// TCP port of the HTTPS server [default: 443 beside port 80, and always 363 above the HTTP port]
    #[arg(long, value_name = "PORT", env = "OXBOW_HTTPS_PORT")]
    pub https_port: Option<u16>,
    /// Serve machines by HTTPS or not at all, from the boot script on
    #[arg(long, env = "OXBOW_REQUIRE_HTTPS")]
    pub require_https: bool,
    #[command(flatten)]
    pub screen: ScreenSettings,
    #[arg(skip)]
    pub webhook: WebhookSettings,
}

/// A configuration that can be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub interface: String,
    /// The network on it: the station's address, and those it gives to machines.
    pub segment: Segment,
    /// Its DHCP mode at the start.
    pub dhcp: ModeState,
    /// The same as it was configured, if it was.
    pub dhcp_setting: Option<DhcpChoice>,
    pub http: SocketAddr,
    pub https: SocketAddr,
    pub data: DataDir,
    pub profiles: PathBuf,
    pub images: PathBuf,
    pub boot_files: PathBuf,
    pub default_profile: Option<ProfileId>,
    /// Until somebody chooses one.
    pub policy: Policy,
    pub screen: ScreenSettings,
    /// The program that is sent changes of phase.
    pub webhook: Option<Webhook>,
    /// The settings as they were written.
    pub given: Box<Settings>,
}

/// One problem, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}\nhint: {hint}")]
pub struct ConfigProblem {
    pub what: String,
    pub hint: String,
}

impl ConfigProblem {
    pub fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into() }
    }
}

/// An IPv4 interface of this workstation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    pub name: String,
    pub addresses: Vec<(Ipv4Addr, u8)>,
    /// Whether packets for all other networks leave through it.
    pub has_default_route: bool,
}

/// The workstation's interfaces, without loopback.
pub fn interfaces() -> Vec<Interface> {
    let found = netdev::get_interfaces().into_iter().filter(|interface| !interface.is_loopback());
    let routes = std::fs::read_to_string(ROUTES).unwrap_or_default();
    found
        .map(|interface| Interface {
            has_default_route: carries_default_route(&routes, &interface.name),
            name: interface.name,
            addresses: interface.ipv4.iter().map(|net| (net.addr(), net.prefix_len())).collect(),
        })
        .collect()
}

/// Whether the kernel's routing table (proc(5), /proc/net/route) has a default route on this interface.
fn carries_default_route(routes: &str, interface: &str) -> bool {
    routes.lines().skip(1).any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        matches!(fields[..], [name, "00000000", _, _, _, _, _, "00000000", ..] if name == interface)
    })
}

impl Settings {
    /// These settings over those of the configuration file. A file that was named must exist, the usual one need not.
    pub fn over_file(self, named: Option<&Path>) -> Result<Self, Vec<ConfigProblem>> {
        let file = named.unwrap_or(Path::new(USUAL_FILE));
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(_) if named.is_none() => return Ok(self),
            Err(err) => {
                return Err(vec![ConfigProblem::new(
                    format!("cannot read {}: {err}", file.display()),
                    "name a file that exists",
                )]);
            }
        };
        let filed: Self = toml::from_str(&text).map_err(|err| {
            let line = err.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            let what = format!("{}:{line}: {}", file.display(), err.message().replace('\n', " "));
            vec![ConfigProblem::new(what, "docs/reference/settings.md lists every setting")]
        })?;
        Ok(Self {
            interface: self.interface.or(filed.interface),
            data: self.data.or(filed.data),
            profiles: self.profiles.or(filed.profiles),
            images: self.images.or(filed.images),
            boot_files: self.boot_files.or(filed.boot_files),
            default_profile: self.default_profile.or(filed.default_profile),
            policy: self.policy.or(filed.policy),
            pool: self.pool.or(filed.pool),
            relay_pool: if self.relay_pool.is_empty() { filed.relay_pool } else { self.relay_pool },
            dhcp: self.dhcp.or(filed.dhcp),
            dhcp_force: self.dhcp_force || filed.dhcp_force,
            allow_default_route: self.allow_default_route || filed.allow_default_route,
            http_port: self.http_port.or(filed.http_port),
            https_port: self.https_port.or(filed.https_port),
            require_https: self.require_https || filed.require_https,
            screen: self.screen.over(filed.screen),
            webhook: filed.webhook,
        })
    }

    /// The configuration that these settings give on a workstation with these interfaces, or all problems.
    pub fn check(self, interfaces: &[Interface]) -> Result<Config, Vec<ConfigProblem>> {
        let mut problems = Vec::new();
        let given = Box::new(self.clone());
        let interface = self.interface.as_deref();
        let network =
            network(interface, interfaces, self.allow_default_route).map_err(|problem| problems.push(problem));
        let default_profile = self.default_profile.map(|name| {
            let hint = "name a file of the profiles directory without its .toml";
            name.parse::<ProfileId>()
                .map_err(|err| problems.push(ConfigProblem::new(format!("default profile {name:?}: {err}"), hint)))
        });
        let policy = self.policy.as_deref().map_or(Ok(Policy::default()), |word| {
            let hint = "write default, hold, refuse or allow-list";
            word.parse().map_err(|err: NoSuchPolicy| problems.push(ConfigProblem::new(err.to_string(), hint)))
        });
        let dhcp_setting = self.dhcp.as_deref().and_then(|word| word.parse().ok());
        let dhcp = dhcp_mode(self.dhcp.as_deref(), self.dhcp_force).map_err(|problem| problems.push(problem));
        let data = self.data.map_or_else(DataDir::default, DataDir::new);
        let profiles = self.profiles.unwrap_or_else(|| data.profiles());
        let images = self.images.unwrap_or_else(|| data.images());
        for directory in [data.path(), &profiles, &images] {
            if let Err(err) = std::fs::create_dir_all(directory) {
                let what = format!("cannot create the directory {}: {err}", directory.display());
                problems.push(ConfigProblem::new(what, "start oxbow as root, or choose another directory with --data"));
            }
        }
        let webhook = self.webhook.check(&mut problems);
        let boot_files = self.boot_files.unwrap_or_else(|| BOOT_FILES.into());
        let segment = network.and_then(|(interface, address, prefix)| {
            let (http, https) = ports(self.http_port, self.https_port).map_err(|problem| problems.push(problem))?;
            let [http, https] = [http, https].map(|port| SocketAddr::from((address, port)));
            let mut segment = segment(http, prefix, self.pool.as_deref(), &self.relay_pool)
                .map_err(|problem| problems.push(problem))?;
            segment.require_https = self.require_https;
            Ok((interface, http, https, segment))
        });
        match (segment, dhcp, default_profile.transpose(), policy) {
            (Ok((interface, http, https, segment)), Ok(dhcp), Ok(default_profile), Ok(policy))
                if problems.is_empty() =>
            {
                Ok(Config {
                    interface,
                    segment,
                    dhcp,
                    dhcp_setting,
                    http,
                    https,
                    data,
                    profiles,
                    images,
                    boot_files,
                    default_profile,
                    policy,
                    screen: self.screen,
                    webhook,
                    given,
                })
            }
            _ => Err(problems),
        }
    }
}

fn network(
    name: Option<&str>,
    interfaces: &[Interface],
    routed: bool,
) -> Result<(String, Ipv4Addr, u8), ConfigProblem> {
    let known = || {
        let names: Vec<&str> = interfaces.iter().map(|interface| interface.name.as_str()).collect();
        if names.is_empty() {
            "this workstation shows none".to_owned()
        } else {
            format!("there is {}", names.join(", "))
        }
    };
    let Some(name) = name else {
        return Err(ConfigProblem::new(
            "no network interface was named",
            format!("say which with --interface: {}", known()),
        ));
    };
    let Some(interface) = interfaces.iter().find(|interface| interface.name == name) else {
        return Err(ConfigProblem::new(format!("there is no network interface {name:?}"), known()));
    };
    if interface.has_default_route && !routed {
        let what = format!("interface {name} carries this workstation's default route: it leads out, not to a bench");
        let hint = "name the interface of the bench; if machines are to boot from this network, --allow-default-route";
        return Err(ConfigProblem::new(what, hint));
    }
    match interface.addresses.as_slice() {
        [] => {
            let hint = format!("give it one, as `ip address add 10.77.0.1/24 dev {name}`");
            Err(ConfigProblem::new(format!("interface {name} has no IPv4 address"), hint))
        }
        [(address, prefix), ..] if *prefix > 29 => {
            let what = format!("the network {address}/{prefix} of {name} has no room for machines");
            Err(ConfigProblem::new(what, "use a network of at least 8 addresses (/29); /24 is usual"))
        }
        [(address, prefix), ..] => Ok((name.to_owned(), *address, *prefix)),
    }
}

/// The ports of HTTP and HTTPS.
fn ports(http: Option<u16>, https: Option<u16>) -> Result<(u16, u16), ConfigProblem> {
    let http = http.unwrap_or(80);
    match https.or_else(|| http.checked_add(HTTPS_ABOVE_HTTP)) {
        Some(https) if https != http => Ok((http, https)),
        Some(_) => {
            Err(ConfigProblem::new(format!("HTTP and HTTPS cannot both have port {http}"), "choose another https-port"))
        }
        None => {
            Err(ConfigProblem::new(format!("there is no port {HTTPS_ABOVE_HTTP} above {http}"), "choose an https-port"))
        }
    }
}

/// The URL of one of the station's servers; the usual port is left out.
pub fn url(scheme: &str, at: SocketAddr) -> String {
    match (scheme, at.port()) {
        ("http", 80) | ("https", 443) => format!("{scheme}://{}", at.ip()),
        (_, port) => format!("{scheme}://{}:{port}", at.ip()),
    }
}

fn segment(http: SocketAddr, prefix: u8, pool: Option<&str>, relay_pools: &[String]) -> Result<Segment, ConfigProblem> {
    let IpAddr::V4(address) = http.ip() else {
        return Err(ConfigProblem::new("the station needs an IPv4 address", "give it one"));
    };
    let wrong = |err: BadSegment| {
        ConfigProblem::new(err.to_string(), "choose another --pool, or another address for the interface")
    };
    let relayed = relay_pools.iter().map(|text| text.parse()).collect::<Result<Vec<Relayed>, _>>();
    let segment = Segment::new(address, prefix, url("http", http)).map_err(wrong)?;
    let segment = relayed.and_then(|networks| segment.with_relayed(networks)).map_err(|err| {
        let hint = "write the relay agent's address there, and the pool, as 10.80.0.1/24=10.80.0.100-10.80.0.250";
        ConfigProblem::new(err.to_string(), hint)
    })?;
    let Some(pool) = pool else { return Ok(segment) };
    let hint = format!("write it as {}-{}", segment.range().start(), segment.range().end());
    let parsed =
        pool.split_once('-').and_then(|(first, last)| Some((first.trim().parse().ok()?, last.trim().parse().ok()?)));
    let (first, last) =
        parsed.ok_or_else(|| ConfigProblem::new(format!("pool {pool:?}: this is not two IPv4 addresses"), hint))?;
    segment.with_pool(first, last).map_err(wrong)
}

fn dhcp_mode(word: Option<&str>, forced: bool) -> Result<ModeState, ConfigProblem> {
    let choice = word.map_or(Ok(DhcpChoice::default()), str::parse).map_err(|BadDhcpChoice| {
        let what = format!("dhcp {:?}: there is no such mode", word.unwrap_or_default());
        ConfigProblem::new(what, "write authoritative, proxy or auto")
    })?;
    if forced && choice != DhcpChoice::Authoritative {
        let hint = "leave out dhcp-force, or choose the mode authoritative";
        return Err(ConfigProblem::new("dhcp-force makes the station give addresses, the chosen mode does not", hint));
    }
    Ok(ModeState::new(choice, forced))
}

/// The configuration file unless another is named.
pub const USUAL_FILE: &str = "/etc/oxbow/oxbow.toml";
/// 443 is this far from 80, and 8443 from 8080.
const HTTPS_ABOVE_HTTP: u16 = 363;
const ROUTES: &str = "/proc/net/route";
pub const BOOT_FILES: &str = "/usr/share/oxbow/boot";

#[cfg(test)]
mod tests {
    use super::*;

    fn bench() -> Vec<Interface> {
        let interface = |name: &str, addresses: &[(&str, u8)]| Interface {
            name: name.into(),
            addresses: addresses
                .iter()
                .map(|(address, prefix)| (address.parse().expect("an address"), *prefix))
                .collect(),
            has_default_route: name == "eth0",
        };
        vec![
            interface("enp3s0", &[("10.77.0.1", 24)]),
            interface("eth0", &[("192.0.2.7", 24)]),
            interface("wlan0", &[]),
            interface("tun0", &[("10.1.1.1", 32)]),
        ]
    }

    fn settings(place: &tempfile::TempDir) -> Settings {
        Settings { interface: Some("enp3s0".into()), data: Some(place.path().into()), ..Settings::default() }
    }

    fn problems(change: impl FnOnce(&mut Settings)) -> Vec<String> {
        let place = tempfile::TempDir::new().expect("a directory");
        let mut settings = settings(&place);
        change(&mut settings);
        settings.check(&bench()).expect_err("it is wrong").into_iter().map(|problem| problem.what).collect()
    }

    #[test]
    fn an_interface_alone_is_enough() {
        let place = tempfile::TempDir::new().expect("a directory");
        let config = settings(&place).check(&bench()).expect("it is right");
        assert_eq!(config.segment.pool_in_words(), "10.77.0.100–250");
        assert_eq!(config.segment.base_url, "http://10.77.0.1");
    }

    #[test]
    fn what_is_wrong_is_said_all_at_once() {
        let said = problems(|settings| {
            settings.interface = Some("eth7".into());
            settings.default_profile = Some("Not A Name".into());
        });
        assert_eq!(said.len(), 2, "{said:?}");
        assert_eq!(said[0], "there is no network interface \"eth7\"");
    }

    #[test]
    fn an_interface_that_cannot_serve_is_refused_with_the_reason() {
        assert_eq!(
            problems(|settings| settings.interface = Some("wlan0".into())),
            ["interface wlan0 has no IPv4 address"]
        );
        assert_eq!(
            problems(|settings| settings.interface = Some("tun0".into())),
            ["the network 10.1.1.1/32 of tun0 has no room for machines"]
        );
        assert_eq!(problems(|settings| settings.interface = None), ["no network interface was named"]);
    }

    #[test]
    fn the_way_out_of_the_workstation_needs_an_explicit_yes() {
        let said = problems(|settings| settings.interface = Some("eth0".into()));
        assert_eq!(said, ["interface eth0 carries this workstation's default route: it leads out, not to a bench"]);
        let place = tempfile::TempDir::new().expect("a directory");
        let settings = Settings { interface: Some("eth0".into()), allow_default_route: true, ..settings(&place) };
        assert_eq!(settings.check(&bench()).map(|config| config.interface), Ok("eth0".to_owned()));
    }

    #[test]
    fn the_default_route_is_read_from_the_kernels_table() {
        let table = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
            eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
            bench0\t00004D0A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
        assert_eq!(["eth0", "bench0", "eth1"].map(|name| carries_default_route(table, name)), [true, false, false]);
        assert!(!carries_default_route("", "eth0"));
    }

    #[test]
    fn a_pool_outside_the_network_is_refused() {
        for (pool, why) in
            [("10.77.0.9", "not two"), ("10.77.0.9-10.77.0.2", "not inside"), ("10.78.0.2-10.78.0.9", "not inside")]
        {
            let said = problems(|settings| settings.pool = Some(pool.into()));
            assert!(said[0].contains(why), "{said:?}");
        }
    }

    #[test]
    fn https_is_on_443_beside_80_and_else_as_far_above() {
        let place = tempfile::TempDir::new().expect("a directory");
        let chosen = |http_port, https_port| {
            let settings = Settings { http_port, https_port, require_https: true, ..settings(&place) };
            let config = settings.check(&bench()).map_err(|problems| problems[0].what.clone())?;
            assert!(config.segment.require_https);
            Ok::<_, String>(url("https", config.https))
        };
        assert_eq!(chosen(None, None).as_deref(), Ok("https://10.77.0.1"));
        assert_eq!(chosen(Some(8080), None).as_deref(), Ok("https://10.77.0.1:8443"));
        assert_eq!(chosen(Some(8080), Some(443)).as_deref(), Ok("https://10.77.0.1"));
        assert_eq!(chosen(None, Some(80)), Err("HTTP and HTTPS cannot both have port 80".to_owned()));
        assert_eq!(chosen(Some(65500), None), Err("there is no port 363 above 65500".to_owned()));
    }

    #[test]
    fn the_dhcp_mode_is_chosen_by_its_name() {
        let place = tempfile::TempDir::new().expect("a directory");
        let chosen = |word: Option<&str>| {
            let settings = Settings { dhcp: word.map(str::to_owned), ..settings(&place) };
            settings.check(&bench()).expect("it is right").dhcp
        };
        assert_eq!(chosen(None), ModeState::new(DhcpChoice::Authoritative, false));
        assert_eq!(chosen(Some("proxy")), ModeState::new(DhcpChoice::Proxy, false));
        assert_eq!(chosen(Some("auto")), ModeState::new(DhcpChoice::Auto, false));
        assert_eq!(
            problems(|settings| settings.dhcp = Some("relay".into())),
            ["dhcp \"relay\": there is no such mode"]
        );
        let said = problems(|settings| {
            settings.dhcp = Some("auto".into());
            settings.dhcp_force = true;
        });
        assert_eq!(said, ["dhcp-force makes the station give addresses, the chosen mode does not"]);
    }

    #[test]
    fn the_first_policy_is_chosen_by_its_name() {
        let place = tempfile::TempDir::new().expect("a directory");
        let chosen = |word: Option<&str>| {
            let settings = Settings { policy: word.map(str::to_owned), ..settings(&place) };
            settings.check(&bench()).expect("it is right").policy
        };
        assert_eq!((chosen(None), chosen(Some("hold"))), (Policy::Default, Policy::Hold));
        let said = problems(|settings| settings.policy = Some("wait".into()));
        assert_eq!(said, ["there is no policy \"wait\": it is default, hold, refuse or allow-list"]);
    }

    #[test]
    fn a_misspelt_setting_is_named_with_its_line() {
        let place = tempfile::TempDir::new().expect("a directory");
        let file = place.path().join("oxbow.toml");
        std::fs::write(&file, "interface = \"enp3s0\"\nprofile = \"demo\"\n").expect("a file");
        let said = Settings::default().over_file(Some(&file)).expect_err("it is wrong");
        assert!(said[0].what.contains("oxbow.toml:2: unknown field `profile`"), "{said:?}");
    }
}
