/** Clients and systems that run against our server in tests, in the versions that they are run in. */
export interface Program {
  readonly name: string
  readonly version: string
  readonly what: string
  readonly test: string
}

const CLIENTS = 'test/interop/clients.test.ts'
const SYSTEMS = 'test/interop/systems.test.ts'

export const programs: readonly Program[] = [
  {
    name: 'Apache’s Java client',
    version: '3.9.5',
    what: 'multi, multiRead, persistent and recursive watches, thousands of pipelined requests, expiry',
    test: CLIENTS,
  },
  {
    name: 'Curator',
    version: '5.9.0',
    what: 'locks, latches, barriers, counters, queues, caches, service discovery, lost sessions',
    test: CLIENTS,
  },
  {
    name: 'Apache’s C client',
    version: '3.8.0',
    what: 'synchronous and asynchronous calls, multi, watches, digest, sessions taken over',
    test: CLIENTS,
  },
  {
    name: 'Apache’s zkCli',
    version: '3.9.5',
    what: 'a session of every command, line by line',
    test: CLIENTS,
  },
  {
    name: 'kazoo',
    version: '2.11.0',
    what: 'its own suite of 493 tests, but for 7 that need an ensemble and 3 that need its CI; client and server killed',
    test: CLIENTS,
  },
  {
    name: 'go-zookeeper/zk',
    version: '1.0.4',
    what: 'nodes, large data, multi, watches, auth, locks, restart',
    test: CLIENTS,
  },
  {
    name: 'node-zookeeper-client',
    version: '1.1.3',
    what: 'nodes, watches, transactions, auth, restart',
    test: CLIENTS,
  },
  {
    name: 'Kafka in ZooKeeper mode',
    version: '3.9.2',
    what: 'brokers that are killed, paused and stopped',
    test: SYSTEMS,
  },
  {
    name: 'HBase',
    version: '2.6.4',
    what: 'masters and region servers that are killed, paused and stopped',
    test: SYSTEMS,
  },
  {
    name: 'Hadoop',
    version: '3.4.3',
    what: 'failover of NameNodes and ResourceManagers',
    test: SYSTEMS,
  },
]
