//! Endpoints as text, bound sockets, and what systemd's variables single out.

use super::systemd::Handover;
use super::*;

fn handover(count: &str, names: Option<&str>) -> Handover {
    Handover {
        pid: Some(std::process::id().to_string()),
        count: Some(count.to_owned()),
        names: names.map(str::to_owned),
    }
}

#[test]
fn endpoints_read_back_as_written() {
    for text in ["localhost:6965", ":0", "[::1]:80", "unix:/run/x.sock", "systemd", "systemd:a"] {
        assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
    }
}

#[test]
fn endpoints_without_port_path_or_name_are_refused() {
    for text in ["", "localhost", "localhost:", "a:http", "a:65536", "a:+1", "::1:80", "unix:"] {
        assert!(matches!(text.parse::<Endpoint>(), Err(ListenError::Malformed(_))), "{text}");
    }
    assert!("systemd:".parse::<Endpoint>().is_err());
}

#[tokio::test]
async fn port_zero_reports_the_port_that_was_taken() {
    let listener = Endpoint::loopback().bind().await.unwrap();
    let address = listener.address().tcp().unwrap();
    assert!(address.ip().is_loopback() && address.port() != 0);
}

#[tokio::test]
async fn a_bare_port_listens_on_every_address() {
    let listener = ":0".parse::<Endpoint>().unwrap().bind().await.unwrap();
    assert!(listener.address().tcp().unwrap().ip().is_unspecified());
}

#[tokio::test]
async fn a_taken_port_is_refused_with_the_endpoint_in_the_message() {
    let listener = Endpoint::loopback().bind().await.unwrap();
    let taken = Endpoint::Tcp(listener.address().to_string());
    let message = taken.bind().await.unwrap_err().to_string();
    assert!(message.contains(&taken.to_string()), "{message}");
}

#[tokio::test]
async fn a_unix_socket_goes_away_with_its_listener() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = Endpoint::Unix(path.clone()).bind().await.unwrap();
    assert!(path.exists());
    assert_eq!(listener.address(), &BoundAddress::Unix(path.clone()));
    drop(listener);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_dead_unix_socket_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "std leaves the file, as a killed process does");
    Endpoint::Unix(path).bind().await.unwrap();
}

#[tokio::test]
async fn a_unix_socket_in_use_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let _first = Endpoint::Unix(path.clone()).bind().await.unwrap();
    assert!(matches!(Endpoint::Unix(path).bind().await, Err(ListenError::Refused { .. })));
}

#[tokio::test]
async fn a_file_in_the_place_of_a_unix_socket_is_left_alone() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let endpoint = Endpoint::Unix(file.path().to_owned());
    assert!(matches!(endpoint.bind().await, Err(ListenError::Refused { .. })));
    assert!(file.path().exists());
}

#[test]
fn systemd_sockets_are_found_by_name_or_when_alone() {
    assert_eq!(handover("1", None).find(None).unwrap(), 3);
    let two = handover("2", Some("external:internal"));
    assert_eq!(two.find(Some("external")).unwrap(), 3);
    assert_eq!(two.find(Some("internal")).unwrap(), 4);
}

#[test]
fn systemd_sockets_that_are_not_singled_out_are_refused() {
    let two = handover("2", Some("external:internal"));
    for wanted in [None, Some("other")] {
        assert!(matches!(two.find(wanted), Err(ListenError::NoSuchSocket { .. })), "{wanted:?}");
    }
    let same = handover("2", Some("a:a"));
    assert!(matches!(same.find(Some("a")), Err(ListenError::NoSuchSocket { .. })));
}

#[test]
fn systemd_variables_for_another_process_do_not_count() {
    let mut other = handover("1", None);
    other.pid = Some("1".to_owned());
    assert!(matches!(other.find(None), Err(ListenError::NotActivated)));
}

#[test]
fn systemd_variables_that_are_malformed_do_not_count() {
    for count in ["", "0", "-1", "x", "65536"] {
        let found = handover(count, None).find(None);
        assert!(matches!(found, Err(ListenError::NotActivated)), "{count}");
    }
}

#[test]
fn systemd_sockets_without_a_name_are_unknown() {
    assert_eq!(handover("2", Some("a")).socket_names().unwrap(), ["a", "unknown"]);
    assert_eq!(handover("1", Some("a:b")).socket_names().unwrap(), ["a"]);
}
