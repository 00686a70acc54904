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
    let member = n % lab.crew.members.len().max(1);
    // A client may reconnect in between: then its next connection loses a frame.
    while lab.ground.proxy.lost() == before {
        let peer = lab.crew.members.get(member).and_then(|member| member.client.local());
        if let Some(peer) = peer {
            lab.ground.proxy.on(peer, |weather| weather.lose_changes = 1);
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
