use std::net::SocketAddr;

use super::{Redis, until};
use crate::port::on_free_ports;
use crate::{ServiceError, free_port};

/// A cluster of three primaries without replicas.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts it, and waits until every node says that it is whole.
    pub fn start() -> Result<Self, ServiceError> {
        let nodes = (0..3).map(|_| node()).collect::<Result<Vec<_>, _>>()?;
        for (number, (redis, _)) in nodes.iter().enumerate() {
            let (first, last) = (number * 16384 / 3, (number + 1) * 16384 / 3 - 1);
            redis.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()])?;
            redis.command(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()])?;
        }
        let ports = |(redis, bus): &(Redis, u16)| (redis.address().port().to_string(), bus.to_string());
        for (port, bus) in nodes.iter().skip(1).map(ports) {
            nodes[0].0.command(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus])?;
        }
        let nodes = nodes.into_iter().map(|(redis, _)| redis).collect();
        let cluster = Self { nodes };
        cluster.wait_until_whole()?;
        Ok(cluster)
    }

    /// Its nodes.
    pub fn nodes(&mut self) -> &mut [Redis] {
        &mut self.nodes
    }

    /// Where the nodes listen.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(Redis::address).collect()
    }

    /// `redis+cluster://` and all nodes.
    pub fn url(&self) -> String {
        let addresses: Vec<String> = self.addresses().iter().map(ToString::to_string).collect();
        format!("redis+cluster://{}", addresses.join(","))
    }

    /// Waits until every node knows all others and every slot is served.
    pub fn wait_until_whole(&self) -> Result<(), ServiceError> {
        let is_whole = |node: &Redis| {
            node.command(&["CLUSTER", "INFO"])
                .is_ok_and(|info| info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3"))
        };
        until("the redis cluster was not whole", || self.nodes.iter().all(is_whole))
    }
}

/// A node that knows nobody yet, and the port of its bus: the usual one, 10000 above, may not exist.
fn node() -> Result<(Redis, u16), ServiceError> {
    on_free_ports(|| {
        let bus = free_port()?;
        let redis = Redis::builder()
            .option("cluster-enabled", "yes")
            .option("cluster-port", &bus.to_string())
            // Nobody fails over here, and a machine that stood still for a while must not look like a dead node.
            .option("cluster-node-timeout", "60000")
            .start()?;
        Ok((redis, bus))
    })
}
