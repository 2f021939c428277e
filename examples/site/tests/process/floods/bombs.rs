//! Pictures of 32 kB that decode to 256 MiB, all requested at once.

use euryale_test::RawClient;

use super::super::Running;
use super::super::pictures::black;
use super::client::{Client, End, Life};
use super::probe::Sockets;
use super::{Flood, Size};

const CLIENTS: usize = 15;

const ALL: Size = Size {
    clients: CLIENTS,
    shell: "",
    flags: &[],
    growth: 300,
};

pub(super) const DECODED: Flood = Flood {
    name: "picture bombs",
    full: ALL,
    small: ALL,
    sockets: Sockets::New,
    prepare: upload,
    client: ask,
    is_on: |_, tally, clients| tally.count(End::Answered(422)) >= clients as u64,
};

fn upload(site: &Running, _: usize) {
    let bomb = black(16_384, 16_384);
    for number in 0..CLIENTS {
        let name = format!("bomb-{number}.png");
        assert_eq!(site.upload(&name, &bomb).status, 201);
    }
}

fn ask(client: Client) -> Life {
    Box::pin(async move {
        let scale = async || {
            let mut socket = RawClient::connect(client.site).await?;
            let path = format!("/bomb-{}.png/@@scale/64", client.number);
            let answer = socket.get(&path).await?;
            Ok(End::Answered(answer.status.as_u16()))
        };
        client.repeat(scale).await;
    })
}
