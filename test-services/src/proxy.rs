use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::ServiceError;

/// What the proxy does to the answers of the server. Requests always reach it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing.
    #[default]
    None,
    /// Each piece of an answer comes this much later.
    Late(Duration),
    /// The answer is thrown away and the connection closed: the request was carried out, nobody hears of it.
    CutAnswer,
    /// Like `CutAnswer`, for this many answers; then no trouble.
    CutAnswers(usize),
    /// Answers are kept back until there is another trouble, or none.
    Silent,
    /// In place of this many pieces of answers the one before comes again, as what was said just before something
    /// changed; then no trouble.
    SaysAgain(usize),
}

/// The trouble there is, and the one to come after so many pieces of answers.
#[derive(Clone, Copy, Debug, Default)]
struct Plan {
    now: Trouble,
    next: Option<(usize, Trouble)>,
}

/// A TCP proxy on 127.0.0.1 in front of a server, that makes trouble when told.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    plan: Mutex<Plan>,
    /// The piece of an answer that went through last.
    last: Mutex<Vec<u8>>,
    connections: Mutex<Vec<TcpStream>>,
    accepted: AtomicUsize,
    is_open: AtomicBool,
    is_over: AtomicBool,
}

impl Proxy {
    /// Listens on a free port and forwards to `server`.
    pub fn start(server: SocketAddr) -> Result<Self, ServiceError> {
        let failed = |error: std::io::Error| ServiceError::io("the proxy cannot listen", &error);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shared = Arc::new(Shared {
            server,
            plan: Mutex::default(),
            last: Mutex::default(),
            connections: Mutex::default(),
            accepted: AtomicUsize::new(0),
            is_open: AtomicBool::new(true),
            is_over: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || accepting.accept(&listener));
        Ok(Self { address, shared })
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on, for connections that exist too.
    pub fn set(&self, trouble: Trouble) {
        *self.shared.plan() = Plan {
            now: trouble,
            next: None,
        };
    }

    /// So many pieces of answers come through, of whichever connections; then it is as after [`set`](Self::set).
    pub fn set_after(&self, answers: usize, trouble: Trouble) {
        *self.shared.plan() = Plan {
            now: Trouble::None,
            next: Some((answers, trouble)),
        };
    }

    /// Closes every connection; new ones are taken.
    pub fn cut(&self) {
        for connection in std::mem::take(&mut *self.shared.connections()) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// Closes every connection and each new one at once, until [`open`](Self::open).
    pub fn close(&self) {
        self.shared.is_open.store(false, Ordering::SeqCst);
        // One that is being made meanwhile sees that it is too late.
        self.cut();
    }

    /// Takes connections again.
    pub fn open(&self) {
        self.shared.is_open.store(true, Ordering::SeqCst);
    }

    /// How many connections came so far.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        self.cut();
        // Wakes the thread that accepts, so that it sees the end.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming().flatten() {
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            self.accepted.fetch_add(1, Ordering::SeqCst);
            if self.is_open.load(Ordering::SeqCst) {
                self.connect(client);
            }
        }
    }

    fn connect(self: &Arc<Self>, client: TcpStream) {
        let Ok(server) = TcpStream::connect(self.server) else {
            return;
        };
        let _ = client.set_nodelay(true);
        let _ = server.set_nodelay(true);
        let copies = (
            client.try_clone(),
            server.try_clone(),
            client.try_clone(),
            server.try_clone(),
        );
        let (Ok(from), Ok(to), Ok(one), Ok(other)) = copies else {
            return;
        };
        let mut connections = self.connections();
        // Whoever closes looks at them after it has said so: either it finds this one, or this one finds that.
        if !self.is_open.load(Ordering::SeqCst) {
            return;
        }
        connections.extend([one, other]);
        drop(connections);
        std::thread::spawn(move || forward(from, to));
        let shared = Arc::clone(self);
        std::thread::spawn(move || shared.answer(server, client));
    }

    fn answer(&self, mut server: TcpStream, mut client: TcpStream) {
        let mut piece = [0_u8; 16 * 1024];
        while let Ok(length @ 1..) = server.read(&mut piece) {
            let Some(piece) = self.let_pass(&piece[..length]) else {
                break;
            };
            if client.write_all(&piece).is_err() {
                break;
            }
        }
        let _ = server.shutdown(Shutdown::Both);
        let _ = client.shutdown(Shutdown::Both);
    }

    /// Waits as long as the trouble asks for, and gives what is to be said; `None` to close.
    fn let_pass(&self, piece: &[u8]) -> Option<Vec<u8>> {
        let trouble = self.plan().for_next_answer();
        match trouble {
            Trouble::Late(time) => std::thread::sleep(time),
            Trouble::CutAnswer => return None,
            Trouble::CutAnswers(count) if count > 0 => return None,
            Trouble::SaysAgain(count) if count > 0 => return Some(self.last().clone()),
            Trouble::None | Trouble::CutAnswers(_) | Trouble::SaysAgain(_) => {}
            Trouble::Silent => {
                while self.plan().now == Trouble::Silent && !self.is_over.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
        }
        piece.clone_into(&mut self.last());
        Some(piece.to_vec())
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn plan(&self) -> std::sync::MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connections(&self) -> std::sync::MutexGuard<'_, Vec<TcpStream>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Plan {
    /// What is done to a piece of an answer; what comes after it is the next one's.
    fn for_next_answer(&mut self) -> Trouble {
        match self.next {
            Some((0, trouble)) => {
                *self = Self {
                    now: trouble,
                    next: None,
                };
            }
            Some((left, trouble)) => self.next = Some((left - 1, trouble)),
            None => {}
        }
        let now = self.now;
        self.now = match now {
            Trouble::CutAnswers(0 | 1) | Trouble::SaysAgain(0 | 1) => Trouble::None,
            Trouble::CutAnswers(more) => Trouble::CutAnswers(more - 1),
            Trouble::SaysAgain(more) => Trouble::SaysAgain(more - 1),
            other => other,
        };
        now
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    use super::{Proxy, Trouble};

    /// Answers each byte with the next one.
    fn server() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let mut byte = [0];
                    while let Ok(1) = stream.read(&mut byte) {
                        let _ = stream.write_all(&[byte[0] + 1]);
                    }
                });
            }
        });
        address
    }

    fn ask(stream: &mut TcpStream) -> Option<u8> {
        let mut byte = [0];
        stream.write_all(&[41]).ok()?;
        stream.read_exact(&mut byte).ok()?;
        Some(byte[0])
    }

    #[test]
    fn without_trouble_answers_pass() {
        let proxy = Proxy::start(server()).unwrap();
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        assert_eq!(ask(&mut stream), Some(42));
        assert_eq!(proxy.accepted(), 1);
    }

    #[test]
    fn answers_come_late() {
        let proxy = Proxy::start(server()).unwrap();
        proxy.set(Trouble::Late(Duration::from_millis(60)));
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        let started = Instant::now();
        assert_eq!(ask(&mut stream), Some(42));
        assert!(started.elapsed() >= Duration::from_millis(60));
    }

    #[test]
    fn a_number_of_answers_is_cut() {
        let proxy = Proxy::start(server()).unwrap();
        proxy.set(Trouble::CutAnswers(2));
        let mut asked = (0..3).map(|_| ask(&mut TcpStream::connect(proxy.address()).unwrap()));
        assert_eq!(asked.next().unwrap(), None);
        assert_eq!(asked.next().unwrap(), None);
        assert_eq!(asked.next().unwrap(), Some(42));
    }

    #[test]
    fn what_was_said_before_comes_again() {
        let proxy = Proxy::start(server()).unwrap();
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        let mut asked = |byte: u8| {
            stream.write_all(&[byte]).unwrap();
            let mut answer = [0];
            stream.read_exact(&mut answer).unwrap();
            answer[0]
        };
        assert_eq!(asked(1), 2);
        proxy.set(Trouble::SaysAgain(2));
        assert_eq!([asked(5), asked(6), asked(7)], [2, 2, 8]);
    }

    #[test]
    fn trouble_comes_after_so_many_answers() {
        let proxy = Proxy::start(server()).unwrap();
        proxy.set_after(2, Trouble::CutAnswers(1));
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        assert_eq!(ask(&mut stream), Some(42));
        assert_eq!(ask(&mut stream), Some(42));
        assert_eq!(ask(&mut stream), None);
        assert_eq!(ask(&mut TcpStream::connect(proxy.address()).unwrap()), Some(42));
        proxy.set_after(0, Trouble::CutAnswer);
        proxy.set(Trouble::None);
        assert_eq!(ask(&mut TcpStream::connect(proxy.address()).unwrap()), Some(42));
    }

    #[test]
    fn a_closed_one_opens_again() {
        let proxy = Proxy::start(server()).unwrap();
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        assert_eq!(ask(&mut stream), Some(42));
        proxy.close();
        assert_eq!(ask(&mut stream), None);
        assert_eq!(ask(&mut TcpStream::connect(proxy.address()).unwrap()), None);
        proxy.open();
        assert_eq!(ask(&mut TcpStream::connect(proxy.address()).unwrap()), Some(42));
    }
}
