//! Carries the bytes of one connection, both ways, through whatever weather there is.
//!
//! Invariant: at most one piece per direction is held; what is cut is cut in both directions.

use std::{io, pin::pin, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    time::sleep,
};

use super::frames::Frames;

/// Bytes read at once.
const PIECE: usize = 16 * 1024;

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// As by a program that closes its socket.
    Close,
    /// As by one that dies: a reset, and what was under way is lost.
    Reset,
}

/// What becomes of the bytes of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Way {
    /// They pass.
    #[default]
    Open,
    /// They are not taken, so that the sender notices after a while.
    Stalled,
    /// They are taken and thrown away. Nothing sensible can pass afterwards: cut the connection.
    Swallowed,
}

/// What happens on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Weather {
    /// To the server.
    pub up: Way,
    /// To the client.
    pub down: Way,
    /// Requests for a WebSocket end their connection, as with a proxy that knows none.
    pub no_upgrades: bool,
    /// Each piece waits so long, in either direction.
    pub delay: Duration,
    /// So many WebSocket frames with changes are lost on their way to the client, whole; counted from the
    /// connection's begin.
    pub lose_changes: u32,
    /// The connection ends after so many further bytes to the client, in the midst of a frame if it comes so.
    pub cut_after: Option<(usize, Cut)>,
    /// The connection ends now.
    pub cut: Option<Cut>,
}

/// Ends a connection as a dying program does.
pub(super) fn reset(stream: TcpStream) {
    // Fails only where there is no connection any more.
    let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    drop(stream);
}

/// Keeps a connection without a word until it is cut or the client leaves.
pub(super) async fn hold(mut client: TcpStream, mut weather: watch::Receiver<Weather>) {
    let mut waste = [0_u8; 1024];
    loop {
        tokio::select! {
            read = client.read(&mut waste) => if !matches!(read, Ok(n) if n > 0) { return },
            cut = cut_now(&mut weather) => return end(cut, client, None),
        }
    }
}

/// Carries bytes until either side ends or the connection is cut.
pub(super) async fn carry(
    mut client: TcpStream,
    mut server: TcpStream,
    weather: watch::Receiver<Weather>,
    lost: &(dyn Fn() + Sync),
) {
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let mut cuts = weather.clone();
    let cut = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let up = pin!(flow(from_client, to_server, weather.clone(), Up));
        let down = Down { frames: Frames::default(), lost, left: None };
        let down = pin!(flow(from_server, to_client, weather, down));
        tokio::select! {
            cut = cut_now(&mut cuts) => cut,
            ended = async { tokio::try_join!(up, down) } => match ended {
                Ok(_) => Cut::Close,
                Err(Stop::Cut(cut)) => cut,
                Err(Stop::Broken) => Cut::Reset,
            },
        }
    };
    end(cut, client, Some(server));
}

fn end(cut: Cut, client: TcpStream, server: Option<TcpStream>) {
    match cut {
        Cut::Close => drop((client, server)),
        Cut::Reset => {
            reset(client);
            server.into_iter().for_each(reset);
        }
    }
}

/// Waits until the connection is to be cut; never, if the proxy forgot about it.
async fn cut_now(weather: &mut watch::Receiver<Weather>) -> Cut {
    let cut = weather.wait_for(|weather| weather.cut.is_some()).await.ok().and_then(|now| now.cut);
    match cut {
        Some(cut) => cut,
        None => std::future::pending().await,
    }
}

/// Why a direction stopped before its end.
#[derive(Debug)]
enum Stop {
    /// As ordered.
    Cut(Cut),
    /// One side broke the connection.
    Broken,
}

impl From<io::Error> for Stop {
    fn from(_: io::Error) -> Self {
        Self::Broken
    }
}

/// What is special about a direction.
trait Direction {
    fn way(weather: Weather) -> Way;
    /// What passes of a piece, and whether the connection ends after it.
    fn pass(&mut self, piece: &[u8], weather: Weather) -> (Vec<u8>, Option<Cut>);
}

/// To the server.
struct Up;

impl Direction for Up {
    fn way(weather: Weather) -> Way {
        weather.up
    }

    fn pass(&mut self, piece: &[u8], weather: Weather) -> (Vec<u8>, Option<Cut>) {
        let upgrade = || {
            let text = String::from_utf8_lossy(piece).to_ascii_lowercase();
            text.starts_with("get ") && text.contains("upgrade: websocket")
        };
        if weather.no_upgrades && upgrade() {
            return (Vec::new(), Some(Cut::Close));
        }
        (piece.to_vec(), None)
    }
}

/// To the client.
struct Down<'a> {
    frames: Frames,
    lost: &'a (dyn Fn() + Sync),
    /// Bytes until a cut that was ordered by its distance.
    left: Option<(usize, Cut)>,
}

impl Direction for Down<'_> {
    fn way(weather: Weather) -> Way {
        weather.down
    }

    fn pass(&mut self, piece: &[u8], weather: Weather) -> (Vec<u8>, Option<Cut>) {
        let wanted = u64::from(weather.lose_changes);
        let before = self.frames.lost();
        let mut passed = self.frames.pass(piece, wanted);
        for _ in before..self.frames.lost() {
            (self.lost)();
        }
        self.left = self.left.or(weather.cut_after);
        let Some((left, cut)) = self.left.as_mut() else { return (passed, None) };
        if passed.len() >= *left {
            passed.truncate(*left);
            return (passed, Some(*cut));
        }
        *left -= passed.len();
        (passed, None)
    }
}

async fn flow<R, W, D>(
    mut from: R,
    mut to: W,
    mut weather: watch::Receiver<Weather>,
    mut direction: D,
) -> Result<(), Stop>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
    D: Direction,
{
    let mut piece = vec![0_u8; PIECE];
    let mut swallows = false;
    loop {
        let now = *weather.borrow_and_update();
        if let Some(cut) = now.cut {
            return Err(Stop::Cut(cut));
        }
        // Behind bytes that were lost nothing may pass, whatever the weather.
        swallows |= D::way(now) == Way::Swallowed;
        let way = if swallows { Way::Swallowed } else { D::way(now) };
        let read = tokio::select! {
            // Whoever ordered the weather may be gone: then it stays as it is.
            Ok(()) = weather.changed() => continue,
            read = from.read(&mut piece), if way != Way::Stalled => read?,
            else => return Ok(()),
        };
        let Some(piece) = piece.get(..read).filter(|piece| !piece.is_empty()) else {
            let _ = to.shutdown().await;
            return Ok(());
        };
        if way == Way::Swallowed {
            continue;
        }
        let (passed, cut) = direction.pass(piece, now);
        if !now.delay.is_zero() {
            sleep(now.delay).await;
        }
        to.write_all(&passed).await?;
        if let Some(cut) = cut {
            return Err(Stop::Cut(cut));
        }
    }
}
