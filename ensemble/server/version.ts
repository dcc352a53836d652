/**
 * The version that `srvr`, `stat` and `mntr` show. Tools expect ZooKeeper's `<major>.<minor>.<patch>`
 * in front: it is the release whose behaviour this server has.
 */
export const SERVER_VERSION = '3.9.5-howdah, built on 2026-11-21 00:00 UTC'
