use super::*;

fn peer(ip: &str) -> PeerAddr {
    PeerAddr::Tcp((ip.parse::<IpAddr>().unwrap(), 1).into())
}

#[test]
fn places_are_given_back() {
    let places = PerPeer::new(2);
    let one = places.place(peer("192.0.2.1")).unwrap();
    let two = places.place(peer("::ffff:192.0.2.1")).unwrap();
    assert!(places.place(peer("192.0.2.1")).is_err());
    assert!(places.place(peer("192.0.2.2")).is_ok());
    drop(one);
    let three = places.place(peer("192.0.2.1")).unwrap();
    drop((two, three));
    assert!(places.open.lock().unwrap().is_empty());
}

#[test]
fn a_network_of_ipv6_is_one_peer() {
    let places = PerPeer::new(1);
    let _one = places.place(peer("2001:db8::1")).unwrap();
    assert!(places.place(peer("2001:db8::ffff:2")).is_err());
    assert!(places.place(peer("2001:db8:0:1::1")).is_ok());
}

#[test]
fn peers_without_an_address_are_not_counted() {
    let places = PerPeer::new(1);
    let all = [PeerAddr::Unix; 3].map(|peer| places.place(peer).unwrap());
    assert!(all.iter().all(Option::is_none));
    assert!(PerPeer::new(0).place(peer("192.0.2.1")).unwrap().is_none());
}
