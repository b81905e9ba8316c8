//! The agent against a station behind OpenSSL, as the real one is, with every certificate that could come its way.

use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::ssl::{SslAcceptor, SslMethod, SslStream};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Name};

use super::bench::{Bench, IMAGE_BYTES, digest, image, job, until};
use super::station::Station;
use oxbow::agent::outcome::AgentOutcome;
use oxbow::domain::profile::image::ImageFormat;

#[test]
fn a_machine_is_installed_by_https_and_nothing_but_the_certificate_goes_in_the_clear() {
    let bench = Bench::with(IMAGE_BYTES);
    let secret = Secret::station(&Authority::named("oxbow CA"));
    assert_eq!(bench.run(&secret.station), AgentOutcome::Installed);
    assert!(bench.disk_holds(&image()) && bench.was_restarted());
    let desk = secret.station.desk();
    assert!(desk.reports.len() == 9 && !desk.lines.is_empty());
    assert_eq!(desk.in_the_clear, ["/ca.der"], "asked for once, and nothing else");
}

#[test]
fn a_connection_that_is_cut_in_the_middle_of_the_image_is_resumed() {
    let bench = Bench::with(IMAGE_BYTES);
    let secret = Secret::station(&Authority::named("oxbow CA"));
    secret.station.desk().break_after = [100_000, 50_000].into();
    assert_eq!(bench.run(&secret.station), AgentOutcome::Installed);
    assert!(bench.disk_holds(&image()));
    assert_eq!(secret.station.desk().offsets, [0, 100_000, 150_000]);
}

#[test]
fn a_certificate_that_another_authority_of_the_same_name_signed_is_refused() {
    let (ours, theirs) = (Authority::named("oxbow CA"), Authority::named("oxbow CA"));
    let says = format!(
        "the station is not trusted: 127.0.0.1 shows a certificate that the station's authority ({}...) did not sign: \
         look for another station with this address on this network",
        ours.digest().short()
    );
    is_refused_until_put_right(&ours, |secret| secret.shows(&theirs.vouches(HERE, ALWAYS)), &says);
}

#[test]
fn a_certificate_for_another_address_is_refused() {
    let ours = Authority::named("oxbow CA");
    let says = "the station is not trusted: 127.0.0.1 shows a certificate for another address: restart the station";
    is_refused_until_put_right(&ours, |secret| secret.shows(&ours.vouches("127.0.0.2", ALWAYS)), says);
}

#[test]
fn an_authority_that_the_boot_script_did_not_name_is_refused() {
    let (ours, theirs) = (Authority::named("oxbow CA"), Authority::named("oxbow CA"));
    let says = format!(
        "has digest {}..., but this machine trusts only {}...: another station may be on this",
        { theirs.digest().short() },
        ours.digest().short()
    );
    let wrong = |secret: &Secret| secret.station.desk().ca = theirs.der();
    is_refused_until_put_right(&ours, wrong, &says);
}

#[test]
fn a_port_where_nobody_speaks_tls_is_tried_again() {
    let ours = Authority::named("oxbow CA");
    is_refused_until_put_right(&ours, |secret| *secret.shown.lock().expect("it") = None, "the station does not answer");
}

/// The clock of a bench machine may say anything.
#[test]
fn the_dates_of_a_certificate_keep_no_machine_from_being_installed() {
    for dates in [["19990101000000Z", "20010101000000Z"], ["20980101000000Z", "20990101000000Z"]] {
        let ours = Authority::named("oxbow CA");
        let secret = Secret::station(&ours);
        secret.shows(&ours.vouches(HERE, dates));
        assert_eq!(Bench::with(IMAGE_BYTES).run(&secret.station), AgentOutcome::Installed, "{dates:?}");
    }
}

/// A machine that meets `wrong` says so, installs nothing, and goes on by itself when all is right.
fn is_refused_until_put_right(ours: &Authority, wrong: impl Fn(&Secret), says: &str) {
    let bench = Bench::with(IMAGE_BYTES);
    let secret = Secret::station(ours);
    wrong(&secret);
    thread::scope(|scope| {
        scope.spawn(|| {
            until(|| bench.screen().contains(says));
            thread::sleep(Duration::from_millis(500));
            assert_eq!(secret.station.desk().hellos, 0, "nothing was said to whom it does not trust");
            secret.station.desk().ca = ours.der();
            secret.shows(&ours.vouches(HERE, ALWAYS));
        });
        assert_eq!(bench.run(&secret.station), AgentOutcome::Installed, "{}", bench.screen());
    });
    assert!(bench.disk_holds(&image()));
}

/// A station behind TLS.
struct Secret {
    station: Station,
    /// Without it a connection is closed when it has come.
    shown: Arc<Mutex<Option<SslAcceptor>>>,
}

impl Secret {
    /// A station that `authority` vouches for, and that machines are told so of.
    fn station(authority: &Authority) -> Self {
        let shown = Arc::new(Mutex::new(Some(authority.vouches(HERE, ALWAYS))));
        let door = shown.clone();
        let enter = move |stream: TcpStream| -> Option<SslStream<TcpStream>> {
            let acceptor = door.lock().expect("it").clone()?;
            acceptor.accept(stream).ok()
        };
        let content = image();
        let mut station = Station::open_with(job(ImageFormat::Raw, &content, &content), content, enter);
        station.desk().ca = authority.der();
        station.url = station.url.replace("http:", "https:");
        let (url, ca, place) = (&station.url, authority.digest(), station.hand_out_certificate());
        station.words = format!("oxbow.station={url} oxbow.ca={ca} oxbow.ca_url=http://{place}/ca.der");
        Self { station, shown }
    }

    fn shows(&self, acceptor: &SslAcceptor) {
        *self.shown.lock().expect("it") = Some(acceptor.clone());
    }
}

struct Authority {
    certificate: X509,
    key: PKey<Private>,
}

impl Authority {
    fn named(name: &str) -> Self {
        let key = PKey::from_rsa(Rsa::generate(2048).expect("a key")).expect("a key");
        let names = named(name);
        let mut builder = certificate(&names, &names, &key, ALWAYS);
        builder.append_extension(BasicConstraints::new().critical().ca().build().expect("it")).expect("it");
        builder.sign(&key, MessageDigest::sha256()).expect("signed");
        Self { certificate: builder.build(), key }
    }

    /// A server with a certificate of this authority for `address`.
    fn vouches(&self, address: &str, dates: [&str; 2]) -> SslAcceptor {
        let key = PKey::from_rsa(Rsa::generate(2048).expect("a key")).expect("a key");
        let mut builder = certificate(&named(address), self.certificate.subject_name(), &key, dates);
        let names = SubjectAlternativeName::new().ip(address).build(&builder.x509v3_context(None, None)).expect("it");
        builder.append_extension(names).expect("it");
        builder.sign(&self.key, MessageDigest::sha256()).expect("signed");
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).expect("OpenSSL");
        acceptor.set_certificate(&builder.build()).expect("a certificate");
        acceptor.set_private_key(&key).expect("its key");
        acceptor.build()
    }

    fn der(&self) -> Vec<u8> {
        self.certificate.to_der().expect("DER")
    }

    fn digest(&self) -> oxbow::domain::digest::Digest {
        digest(&self.der())
    }
}

fn certificate(
    subject: &X509Name,
    issuer: &openssl::x509::X509NameRef,
    key: &PKey<Private>,
    [from, to]: [&str; 2],
) -> openssl::x509::X509Builder {
    let mut builder = X509::builder().expect("OpenSSL");
    let number = Asn1Integer::from_bn(&BigNum::from_u32(7).expect("it")).expect("a number");
    builder.set_version(2).expect("version 3");
    builder.set_serial_number(&number).expect("a number");
    builder.set_subject_name(subject).expect("a name");
    builder.set_issuer_name(issuer).expect("a name");
    builder.set_not_before(&Asn1Time::from_str(from).expect("a date")).expect("a date");
    builder.set_not_after(&Asn1Time::from_str(to).expect("a date")).expect("a date");
    builder.set_pubkey(key).expect("a key");
    builder
}

fn named(name: &str) -> X509Name {
    let mut builder = X509Name::builder().expect("OpenSSL");
    builder.append_entry_by_text("CN", name).expect("a name");
    builder.build()
}

const HERE: &str = "127.0.0.1";
const ALWAYS: [&str; 2] = ["20000101000000Z", "20990101000000Z"];
