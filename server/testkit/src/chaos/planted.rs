//! Losses on purpose: the proxy swallows whole frames with changes, and the clients must say so.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::{Lab, PATIENCE};

/// How often to look.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Loses the planned frames, one after the other, on connections of different clients; what was not noticed.
pub(super) async fn lose(lab: &mut Lab) -> Vec<String> {
    let mut wrong = Vec::new();
    for n in 0..lab.plan.planted {
        if let Err(why) = one(lab, n as usize).await {
            wrong.push(why);
        }
    }
    wrong
}

async fn one(lab: &mut Lab, n: usize) -> Result<(), String> {
    let begun = Instant::now();
    let before = lab.ground.proxy.lost();
    let mut member = n;
    // A client may reconnect in between, and some are still on their way back from other transports: whoever has a
    // WebSocket now loses a frame.
    while lab.ground.proxy.lost() == before {
        let by_socket = lab.crew.by_socket();
        if let Some(at) = by_socket.get(n % by_socket.len().max(1)) {
            member = *at;
        }
        let peer = lab.crew.members.get(member).and_then(|member| member.client.local());
        if let Some(peer) = peer {
            let lost = lab.ground.proxy.lost_on(peer).unwrap_or_default();
            let wanted = u32::try_from(lost).unwrap_or_default() + 1;
            lab.ground.proxy.on(peer, |weather| weather.lose_changes = wanted);
            // One at a time: once a frame is lost, nobody else may lose another.
            for _ in 0..50 {
                if lab.ground.proxy.lost() > before {
                    break;
                }
                sleep(LOOK_EVERY).await;
            }
            lab.ground.proxy.on(peer, |weather| weather.lose_changes = 0);
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("client {member} got no frame that could be lost"));
        }
        sleep(LOOK_EVERY).await;
    }
    let Some(member_at) = lab.crew.members.get_mut(member) else { return Ok(()) };
    member_at.planted += 1;
    let expected = member_at.planted;
    let noticed = member_at.client.until(PATIENCE, |link, _| link.status(0).lost >= expected).await;
    if noticed { Ok(()) } else { Err(format!("client {member} did not notice its loss")) }
}
