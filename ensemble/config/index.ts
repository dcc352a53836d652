/** zoo.cfg, its system properties, the dynamic file and myid: texts in, settings and problems out. */
export { enforcedSchemesOf, schemesOf } from './auth-relations.ts'
export { DIGEST_LOGIN_MODULE, parseJaas, usersOf, type Jaas, type JaasEntry } from './jaas.ts'
export { nearest, type Problem } from './problem.ts'
export { parseProperties } from './properties.ts'
export { placeOf } from './relations.ts'
export { parseSaslUsers } from './sasl-users.ts'
export type { Members, ServerAddress, ServerLine, ServerRole } from './server-lines.ts'
export {
  knownKeys,
  parseDynamicConfig,
  parseMyid,
  parseServerArguments,
  parseZooCfg,
  type Origin,
  type ParsedZooCfg,
  type Settings,
  type ZooCfgContext,
} from './zoo-cfg.ts'
export { families, type Setting } from './zoo-cfg-keys.ts'
