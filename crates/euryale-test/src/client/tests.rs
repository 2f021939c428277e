use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Answer, BlockingClient};

const CHUNKED: &[u8] =
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\
    X: a\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";

#[test]
fn a_response_is_read_from_bytes() {
    let answer = Answer::parse(CHUNKED, false).unwrap();
    assert_eq!((answer.status.as_u16(), &*answer.text()), (200, "abcde"));
    assert_eq!(answer.headers["x"], "a");
    assert!(answer.head.starts_with("HTTP/1.1 200 OK\r\n"));
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
    assert_eq!(Answer::parse(head, true).unwrap().body, b"");
    let error = Answer::parse(head, false).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    let error = Answer::parse(b"HTTP/1.1 OK\r\n\r\n", false).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

/// Sends `answers` one after the other, each after four bytes have arrived, and keeps the socket
/// open until the client has closed it.
fn serve(answers: Vec<&'static [u8]>) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        for answer in answers {
            peer.read_exact(&mut [0; 4]).unwrap();
            peer.write_all(answer).unwrap();
        }
        peer.read_to_end(&mut Vec::new()).unwrap();
    });
    (address, serving)
}

#[test]
fn a_client_that_blocks_gives_up_in_time() {
    let (address, serving) = serve(vec![CHUNKED, b"HTTP/1.1 200 OK\r\n"]);
    let mut client = BlockingClient::connect(address, Duration::from_millis(200)).unwrap();
    client.send("ask.").unwrap();
    assert_eq!(client.read_answer(false).unwrap().text(), "abcde");
    client.send("more").unwrap();
    let error = client.read_answer(false).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    drop(client);
    serving.join().unwrap();
}
