//! Where connections come from.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, RedisConnectionInfo,
    RedisResult, TlsCertificates, TlsMode,
};
use tokio::sync::Mutex;

use crate::config::{Address, Limits, Login, RedisConfig, RedisOptions, Servers};
use crate::error::Fault;
use crate::tls;

/// Where connections come from.
pub(crate) struct Origin {
    servers: Kind,
    /// The driver itself would take 9 seconds to give up.
    pub(crate) limits: Limits,
}

/// Which servers, by their clients.
enum Kind {
    Node(Client, Transport),
    Sentinel(Mutex<SentinelClient>),
    Cluster(Box<Clients>),
}

/// Whether a connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Plain,
    Tls,
}

/// Of a cluster. A client sends a command again that was cut off, and then nobody knows that it was sent
/// twice: writes go through one that never does.
pub(crate) struct Clients {
    following: ClusterClient,
    sending_once: ClusterClient,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// What may be sent again without asking.
    Main,
    /// Saves and removals.
    Writes,
}

/// An open connection; clones share it.
#[derive(Clone)]
pub(crate) enum Connection {
    Node(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Origin {
    pub(crate) fn of(config: &RedisConfig) -> Result<Self, Fault> {
        let certificates = config.tls.as_ref().map(tls::certificates).transpose()?;
        let origin = match &config.servers {
            Servers::Standalone => node(config, certificates),
            Servers::Cluster => cluster(config, certificates.as_ref()),
            Servers::Sentinel(name) => sentinel(config, name, certificates),
        };
        origin.map_err(|_| {
            Fault::invalid("the driver does not take this: look whether ca=, cert= and key= are files in PEM form")
        })
    }

    pub(crate) fn of_client(client: Client, options: &RedisOptions) -> Self {
        let transport = match client.get_connection_info().addr() {
            ConnectionAddr::TcpTls { .. } => Transport::Tls,
            _ => Transport::Plain,
        };
        Self::new(Kind::Node(client, transport), options)
    }

    pub(crate) fn of_sentinel_client(client: SentinelClient, options: &RedisOptions) -> Self {
        Self::new(Kind::Sentinel(Mutex::new(client)), options)
    }

    pub(crate) fn of_cluster_client(client: &ClusterClient, options: &RedisOptions) -> Self {
        let clients = Clients {
            following: client.clone(),
            sending_once: client.clone(),
        };
        Self::new(Kind::Cluster(Box::new(clients)), options)
    }

    fn new(servers: Kind, options: &RedisOptions) -> Self {
        Self {
            servers,
            limits: options.limits,
        }
    }

    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self.servers, Kind::Cluster(_))
    }

    /// Whether another server takes over by itself when the primary is gone.
    pub(crate) fn fails_over(&self) -> bool {
        !matches!(self.servers, Kind::Node(..))
    }

    /// Longer where several servers have to be asked first, or keys exchanged.
    pub(crate) fn connect_limit(&self) -> Duration {
        match self.servers {
            Kind::Node(_, Transport::Plain) => self.limits.connect,
            _ => 3 * self.limits.connect,
        }
    }

    pub(crate) async fn connect(&self, lane: Lane) -> RedisResult<Connection> {
        tls::install_provider();
        match (&self.servers, lane) {
            (Kind::Node(client, _), _) => {
                let settings = settings(self.connect_limit());
                let connection = client.get_multiplexed_async_connection_with_config(&settings).await;
                connection.map(Connection::Node)
            }
            (Kind::Sentinel(client), _) => {
                let mut client = client.lock().await;
                let connection = to_primary(&mut client, &settings(self.limits.connect)).await;
                connection.map(Connection::Node)
            }
            (Kind::Cluster(clients), lane) => {
                let client = match lane {
                    Lane::Main => &clients.following,
                    Lane::Writes => &clients.sending_once,
                };
                client.get_async_connection().await.map(Connection::Cluster)
            }
        }
    }
}

/// A connection to the primary that the sentinels still name when it is there. Where one fails over meanwhile, the
/// one they named before may have come back, and takes itself for the primary until they tell it otherwise: with old
/// records, or none.
async fn to_primary(
    sentinels: &mut SentinelClient,
    settings: &AsyncConnectionConfig,
) -> RedisResult<MultiplexedConnection> {
    let mut named = sentinels.async_get_client().await?;
    loop {
        let connection = named.get_multiplexed_async_connection_with_config(settings).await?;
        let now = sentinels.async_get_client().await?;
        if now.get_connection_info().addr().to_string() == named.get_connection_info().addr().to_string() {
            return Ok(connection);
        }
        named = now;
    }
}

fn settings(connect_limit: Duration) -> AsyncConnectionConfig {
    // Whoever asks waits no longer than that: a second timer for each answer would cost as much as the first.
    AsyncConnectionConfig::new()
        .set_response_timeout(None)
        .set_connection_timeout(Some(connect_limit))
}

fn node(config: &RedisConfig, certificates: Option<TlsCertificates>) -> RedisResult<Origin> {
    let address = config
        .addresses
        .first()
        .ok_or((redis::ErrorKind::InvalidClientConfig, "no server"))?;
    let info = info(address, config)?;
    let client = match certificates {
        Some(certificates) => Client::build_with_tls(info, certificates)?,
        None => Client::open(info)?,
    };
    Ok(Origin::of_client(client, &config.options))
}

fn cluster(config: &RedisConfig, certificates: Option<&TlsCertificates>) -> RedisResult<Origin> {
    let nodes = config.addresses.iter().map(|address| info(address, config));
    let nodes = nodes.collect::<RedisResult<Vec<ConnectionInfo>>>()?;
    let build = |retries| {
        let mut builder = ClusterClientBuilder::new(nodes.clone())
            .connection_timeout(config.options.limits.connect)
            .response_timeout(config.options.limits.answer)
            .retries(retries)
            .min_retry_wait(50)
            .max_retry_wait(400);
        if let Some(certificates) = certificates {
            builder = builder.tls(TlsMode::Secure).certs(certificates.clone());
        }
        builder.build()
    };
    let clients = Clients {
        following: build(3)?,
        sending_once: build(0)?,
    };
    Ok(Origin::new(Kind::Cluster(Box::new(clients)), &config.options))
}

fn sentinel(config: &RedisConfig, name: &str, certificates: Option<TlsCertificates>) -> RedisResult<Origin> {
    let sentinels = config.addresses.iter().map(|address| self::address(address, config));
    let mut builder = SentinelClientBuilder::new(sentinels, name, SentinelServerType::Master)?
        .set_client_to_redis_db(config.database);
    if let Some(certificates) = certificates {
        builder = builder
            .set_client_to_redis_tls_mode(TlsMode::Secure)
            .set_client_to_sentinel_tls_mode(TlsMode::Secure)
            .set_client_to_redis_certificates(certificates.clone())
            .set_client_to_sentinel_certificates(certificates);
    }
    if let Some(username) = &config.login.username {
        builder = builder.set_client_to_redis_username(username);
    }
    if let Some(password) = &config.login.password {
        builder = builder.set_client_to_redis_password(password.expose());
    }
    if let Some(username) = &config.sentinel_login.username {
        builder = builder.set_client_to_sentinel_username(username);
    }
    if let Some(password) = &config.sentinel_login.password {
        builder = builder.set_client_to_sentinel_password(password.expose());
    }
    Ok(Origin::of_sentinel_client(builder.build()?, &config.options))
}

fn info(address: &Address, config: &RedisConfig) -> RedisResult<ConnectionInfo> {
    let settings = with_login(RedisConnectionInfo::default().set_db(config.database), &config.login);
    let info = self::address(address, config).into_connection_info()?;
    Ok(info.set_redis_settings(settings))
}

fn with_login(mut settings: RedisConnectionInfo, login: &Login) -> RedisConnectionInfo {
    if let Some(username) = &login.username {
        settings = settings.set_username(username);
    }
    if let Some(password) = &login.password {
        settings = settings.set_password(password.expose());
    }
    settings
}

fn address(address: &Address, config: &RedisConfig) -> ConnectionAddr {
    let Address { host, port } = address.clone();
    if config.tls.is_none() {
        return ConnectionAddr::Tcp(host, port);
    }
    ConnectionAddr::TcpTls {
        host,
        port,
        insecure: false,
        tls_params: None,
    }
}
