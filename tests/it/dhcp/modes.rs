//! DHCP beside a site's own server, dnsmasq, over real sockets in network namespaces.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::lab::site::{self, Dnsmasq, Site};
use crate::lab::{cable, pcap};
use oxbow::boot::dhcp::rogue::{DhcpChoice, ModeState};
use oxbow::boot::dhcp::segment::Segment;
use oxbow::domain::event::Event;
use oxbow::domain::snapshot::Snapshot;
use oxbow::domain::station::service::ServiceState;
use oxbow::inbox::{Input, Outlet, inbox};
use oxbow::service::{ServiceContext, ServiceError, dhcp};

/// Runs the `steps` of `test` at the station's end of a site; it gets the name of the client's namespace.
fn at_a_site<F: Future<Output = ()>>(test: impl Fn(), short: &str, steps: impl FnOnce(String) -> F) {
    match cable::role() {
        Some(client) => tokio::runtime::Runtime::new().expect("a runtime").block_on(steps(client)),
        None => {
            let site = Site::build(short);
            cable::run_in(&site.station, test, &site.client);
        }
    }
}

/// A station's DHCP service that is running.
struct Serving {
    outlet: Outlet,
    /// What people choose is seen here.
    bench: watch::Sender<Arc<Snapshot>>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), ServiceError>>,
}

impl Serving {
    fn start(standing: ModeState) -> Self {
        let (inbox, outlet) = inbox();
        let (bench, seen) = watch::channel(Arc::new(Snapshot::default()));
        let context = ServiceContext { inbox, bench: seen, stop: CancellationToken::new() };
        let segment = Segment::new([10, 77, 0, 1].into(), 24, "http://10.77.0.1").expect("a segment");
        let stop = context.stop.clone();
        let task = tokio::spawn(dhcp::serve(context, dhcp::DhcpConfig::new("s0", segment, standing, Vec::new())));
        Self { outlet, bench, stop, task }
    }

    /// What the services line says next.
    async fn says(&mut self) -> String {
        match self.state().await {
            ServiceState::Up { at } => at,
            other => panic!("unexpected {other:?}"),
        }
    }

    async fn state(&mut self) -> ServiceState {
        loop {
            match self.outlet.notes.recv().await {
                Some(Input::Service(status)) => return status.state,
                Some(_) => {}
                None => panic!("it has ended: {:?}", (&mut self.task).await),
            }
        }
    }

    /// What came of a wish.
    async fn tried(&mut self) -> (DhcpChoice, Option<Ipv4Addr>) {
        loop {
            match self.outlet.notes.recv().await {
                Some(Input::DhcpTried(choice, met)) => return (choice, met),
                Some(_) => {}
                None => panic!("it has ended: {:?}", (&mut self.task).await),
            }
        }
    }

    fn choose(&self, choice: DhcpChoice) {
        self.bench.send_replace(Arc::new(Snapshot { dhcp_chosen: Some(choice), ..Snapshot::default() }));
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("joins").expect("stops without a complaint");
    }
}

#[test]
fn beside_the_sites_server_each_says_its_part() {
    at_a_site(beside_the_sites_server_each_says_its_part, "beside", |client| async move {
        let _dnsmasq = Dnsmasq::start(&site::server_of(&client), &["--no-ping"]);
        let mut serving = Serving::start(ModeState::new(DhcpChoice::Proxy, false));
        assert!(serving.says().await.starts_with("10.77.0.1 on s0, proxy"));
        let machine = tokio::task::spawn_blocking(move || site::inside(&client.clone(), || boots_by_proxy(&client)));
        machine.await.expect("the machine is served");
        serving.stop().await;
    });
}

/// The packets of a captured OVMF: DISCOVER, and the REQUEST to port 4011 once it has an address.
fn boots_by_proxy(namespace: &str) {
    let captured = pcap::read("uefi-ovmf-pxe.proxy-without-option-43");
    let said = |port: u16| captured.iter().find(|it| it.to.port() == port).expect("captured").payload.clone();

    let offers = offers(&said(67));
    let [ours, sites] = [[10, 77, 0, 1], [10, 77, 0, 2]]
        .map(|server| offers.iter().find(|(from, _)| *from.ip() == Ipv4Addr::from(server)).expect("both offer"));
    assert!((50..=60).contains(&sites.1[19]), "the site's server gives the address");
    assert_eq!(ours.1[16..20], [0; 4], "the station gives none");
    assert_eq!(ours.1[20..24], [10, 77, 0, 1]);
    assert_eq!(option(&ours.1, 43), None);
    assert_eq!(option(&ours.1, 67), Some(b"snponly.efi\0".to_vec()));

    let address = format!("10.77.0.{}/24", sites.1[19]);
    let given = Command::new("ip").args(["-n", namespace, "address", "add", &address, "dev", "c0"]).status();
    assert!(given.is_ok_and(|given| given.success()));
    for port in [4011, 68] {
        let machine = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).expect("the port is free");
        machine.set_read_timeout(Some(Duration::from_secs(2))).expect("a time-out");
        let asked = Instant::now();
        machine.send_to(&said(4011), "10.77.0.1:4011").expect("sent");
        let mut packet = [0; 1500];
        let (len, from) = machine.recv_from(&mut packet).expect("the boot server answers");
        assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());
        assert_eq!(from, "10.77.0.1:4011".parse::<SocketAddr>().expect("an address"), "from the port that was asked");
        assert_eq!((&packet[20..24], option(&packet[..len], 53)), (&[10, 77, 0, 1][..], Some(vec![5])));
        assert_eq!(option(&packet[..len], 67), Some(b"snponly.efi\0".to_vec()));
    }
}

/// What this DISCOVER is offered within two seconds, and by whom.
fn offers(discover: &[u8]) -> Vec<(SocketAddrV4, Vec<u8>)> {
    let socket = machines_socket();
    let mut offers: Vec<(SocketAddrV4, Vec<u8>)> = Vec::new();
    let mut packet = [0; 1500];
    for _ in 0..4 {
        socket.send_to(discover, "255.255.255.255:67").expect("sent");
        socket.set_read_timeout(Some(Duration::from_millis(500))).expect("a time-out");
        while let Ok((len, SocketAddr::V4(from))) = socket.recv_from(&mut packet) {
            if offers.iter().all(|(other, _)| *other != from) {
                offers.push((from, packet[..len].to_vec()));
            }
            if offers.len() == 2 {
                return offers;
            }
        }
    }
    offers
}

fn machines_socket() -> UdpSocket {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).expect("a socket");
    socket.bind_device(Some(b"c0")).expect("the card is there");
    socket.set_broadcast(true).expect("may broadcast");
    socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68).into()).expect("the port is free");
    socket.into()
}

fn option(packet: &[u8], code: u8) -> Option<Vec<u8>> {
    let mut options = dhcproto::v4::borrowed::DhcpOptionIterator::new(&packet[240..]);
    options.find(|option| u8::from(option.code()) == code).map(|option| option.data().to_vec())
}

#[test]
fn an_address_that_somebody_uses_is_not_given_away() {
    at_a_site(an_address_that_somebody_uses_is_not_given_away, "arp", |client| async move {
        let printer = ["-n", &site::server_of(&client), "address", "add", "10.77.0.100/24", "dev", "br0"];
        assert!(Command::new("ip").args(printer).status().is_ok_and(|given| given.success()));
        let mut serving = Serving::start(ModeState::new(DhcpChoice::Authoritative, true));
        serving.says().await;
        let machine = tokio::task::spawn_blocking(move || {
            site::inside(&client, || {
                let said = pcap::read("uefi-ovmf-pxe.authoritative");
                let discover = said.iter().find(|it| it.to.port() == 67).expect("captured").payload.clone();
                [(); 2].map(|()| {
                    let asked = Instant::now();
                    let offer = first_offer(&discover);
                    (offer[19], asked.elapsed())
                })
            })
        });
        let [new, known] = machine.await.expect("the machine is served");
        println!("a new machine waited {:?}, a known one {:?}", new.1, known.1);
        assert_eq!((new.0, known.0), (101, 101));
        assert!((150..900).contains(&new.1.as_millis()), "{new:?}");
        assert!(known.1 < Duration::from_millis(100), "{known:?}");
        let (mut reasons, mut seen) = (Vec::new(), Vec::new());
        while let Ok(note) = serving.outlet.notes.try_recv() {
            match note {
                Input::Event(Event::DhcpSilence { reason, .. }) => reasons.push(reason),
                Input::Event(Event::Sighted { sighting, .. }) => seen.push(sighting.to_string()),
                _ => {}
            }
        }
        assert!(reasons[0].ends_with(" uses 10.77.0.100 already: nobody gets it for ten minutes"), "{reasons:?}");
        assert!(seen.iter().any(|what| what.ends_with(" uses 10.77.0.100")), "the doctor is told: {seen:?}");
        serving.stop().await;
    });
}

fn first_offer(discover: &[u8]) -> Vec<u8> {
    let socket = machines_socket();
    socket.set_read_timeout(Some(Duration::from_secs(2))).expect("a time-out");
    socket.send_to(discover, "255.255.255.255:67").expect("sent");
    let mut packet = vec![0; 1500];
    let len = socket.recv(&mut packet).expect("an offer");
    packet.truncate(len);
    packet
}

#[test]
fn beside_another_server_the_station_refuses_to_be_the_only_one() {
    at_a_site(beside_another_server_the_station_refuses_to_be_the_only_one, "refuse", |client| async move {
        let server = site::server_of(&client);
        for arguments in [&["--no-ping"][..], &[]] {
            let _dnsmasq = Dnsmasq::start(&server, arguments);
            tokio::time::sleep(Duration::from_millis(300)).await;
            let began = Instant::now();
            let mut serving = Serving::start(ModeState::new(DhcpChoice::Authoritative, false));
            let ServiceState::Down { what, hint } = serving.state().await else { panic!("it serves") };
            println!("dnsmasq {arguments:?} was noticed after {:?}", began.elapsed());
            assert_eq!(what, "another DHCP server, 10.77.0.2, answers on s0: two would give out the same addresses");
            for way in ["oxbow dhcp proxy", "--dhcp proxy", "--dhcp-force"] {
                assert!(hint.contains(way), "{hint}");
            }
            let asked = Instant::now();
            serving.choose(DhcpChoice::Proxy);
            assert_eq!(serving.says().await, "10.77.0.1 on s0, proxy beside 10.77.0.2");
            assert!(asked.elapsed() < Duration::from_secs(2), "it serves at once: {:?}", asked.elapsed());
            serving.stop().await;
        }
        let _dnsmasq = Dnsmasq::start(&server, &["--no-ping"]);
        let mut forced = Serving::start(ModeState::new(DhcpChoice::Authoritative, true));
        assert_eq!(forced.says().await, "10.77.0.1 on s0, pool 10.77.0.100–250");
        forced.stop().await;
    });
}

#[test]
fn the_mode_is_switched_without_a_lease_or_a_packet_lost() {
    at_a_site(the_mode_is_switched_without_a_lease_or_a_packet_lost, "switch", |client| async move {
        let mut serving = Serving::start(ModeState::new(DhcpChoice::Authoritative, false));
        assert_eq!(serving.says().await, "10.77.0.1 on s0, pool 10.77.0.100–250");
        let offered = |client: &str| {
            let client = client.to_owned();
            tokio::task::spawn_blocking(move || {
                site::inside(&client, || {
                    let said = pcap::read("uefi-ovmf-pxe.authoritative");
                    first_offer(&said.iter().find(|it| it.to.port() == 67).expect("captured").payload)[16..20].to_vec()
                })
            })
        };
        assert_eq!(offered(&client).await.expect("is served"), [10, 77, 0, 100]);
        serving.choose(DhcpChoice::Proxy);
        assert_eq!(serving.says().await, "10.77.0.1 on s0, proxy (no DHCP server answers: machines get no address)");
        assert_eq!(offered(&client).await.expect("is served"), [0; 4], "a proxy gives no address");
        serving.choose(DhcpChoice::Authoritative);
        assert_eq!(serving.says().await, "10.77.0.1 on s0, pool 10.77.0.100–250");
        assert_eq!(offered(&client).await.expect("is served"), [10, 77, 0, 100], "it is known still");
        serving.stop().await;
    });
}

#[test]
fn a_wish_is_looked_into_while_machines_are_served() {
    at_a_site(a_wish_is_looked_into_while_machines_are_served, "wish", |client| async move {
        let mut serving = Serving::start(ModeState::new(DhcpChoice::Proxy, false));
        serving.says().await;
        let wish = |to| Arc::new(Snapshot { dhcp_asked: Some(to), ..Snapshot::default() });
        let dnsmasq = Dnsmasq::start(&site::server_of(&client), &["--no-ping"]);
        tokio::time::sleep(Duration::from_millis(300)).await;
        let met = Some(Ipv4Addr::new(10, 77, 0, 2));
        for (to, word) in [(DhcpChoice::Authoritative, met), (DhcpChoice::Auto, None)] {
            serving.bench.send_replace(wish(to));
            assert_eq!(serving.tried().await, (to, word), "beside another server");
        }
        drop(dnsmasq);
        let asked = Instant::now();
        serving.bench.send_replace(wish(DhcpChoice::Authoritative));
        let machine = tokio::task::spawn_blocking(move || {
            site::inside(&client, || {
                let said = pcap::read("uefi-ovmf-pxe.authoritative");
                let discover = said.iter().find(|it| it.to.port() == 67).expect("captured").payload.clone();
                (Instant::now(), first_offer(&discover)[16..20].to_vec())
            })
        });
        let (answered, address) = machine.await.expect("the machine is served meanwhile");
        assert_eq!(address, [0; 4], "it is a proxy until it is told otherwise");
        assert_eq!(serving.tried().await, (DhcpChoice::Authoritative, None), "nobody answers any more");
        assert!(answered.duration_since(asked) < asked.elapsed());
        serving.stop().await;
    });
}

#[test]
fn auto_is_the_server_where_nobody_answers_and_a_proxy_where_somebody_does() {
    at_a_site(auto_is_the_server_where_nobody_answers_and_a_proxy_where_somebody_does, "auto", |client| async move {
        let began = Instant::now();
        let mut serving = Serving::start(ModeState::new(DhcpChoice::Auto, false));
        assert_eq!(serving.says().await, "10.77.0.1 on s0, pool 10.77.0.100–250 (auto: nobody else answers DHCP)");
        assert!((2..5).contains(&began.elapsed().as_secs()), "it listened for {:?}", began.elapsed());
        serving.stop().await;

        let _dnsmasq = Dnsmasq::start(&site::server_of(&client), &["--no-ping"]);
        let mut serving = Serving::start(ModeState::new(DhcpChoice::Auto, false));
        assert_eq!(serving.says().await, "10.77.0.1 on s0, proxy (auto: 10.77.0.2 answers DHCP)");
        serving.stop().await;
    });
}
