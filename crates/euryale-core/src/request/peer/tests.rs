use super::*;

#[test]
fn a_balancer_reports_the_address_of_its_peer() {
    let balancer = PeerAddr::Tcp(([10, 0, 0, 1], 1).into());
    let browser = PeerAddr::Tcp(([192, 0, 2, 1], 2).into());
    let peer = Peer::new(balancer);
    let spoken_for = peer.clone().over_tls(Some("a.example")).speaks_for(browser);
    assert_eq!(
        (peer.address(), peer.balancer(), peer.is_tls()),
        (balancer, None, false)
    );
    assert_eq!(
        (spoken_for.address(), spoken_for.balancer()),
        (browser, Some(balancer))
    );
    assert_eq!(
        (spoken_for.is_tls(), spoken_for.server_name()),
        (true, Some("a.example"))
    );
}

#[test]
fn an_address_is_written_one_way() {
    let mapped: SocketAddr = "[::ffff:192.0.2.1]:80".parse().unwrap();
    assert_eq!(PeerAddr::from(mapped).ip(), Some([192, 0, 2, 1].into()));
    assert_eq!(
        (PeerAddr::Unix.ip(), PeerAddr::Unix.to_string()),
        (None, "unix".to_owned())
    );
}
