/** TLS by settings: what the server, the client and the commands need of this folder. */
export { clientMaterial, expired, serverMaterial, tlsFiles, type Files } from './material.ts'
export { tlsSettingsFor, type TlsOptions } from './client-options.ts'
export {
  TlsError,
  type StoreSettings,
  type StoreType,
  type TlsProblem,
  type TlsServerSettings,
  type TlsSettings,
} from './tls-settings.ts'
