/** All fuzz targets. */
import type { Target } from './target.ts'
import { acls } from './targets/acl.ts'
import { admin } from './targets/admin.ts'
import { cli } from './targets/cli.ts'
import { connect } from './targets/connect.ts'
import { files } from './targets/files.ts'
import { frames } from './targets/frames.ts'
import { paths } from './targets/paths.ts'
import { requests } from './targets/requests.ts'
import { setUp } from './targets/set-up.ts'
import { watchLists } from './targets/watches.ts'
import { words } from './targets/words.ts'
import { zooCfg } from './targets/zoo-cfg.ts'

export const targets: readonly Target[] = [
  frames,
  connect,
  requests,
  paths,
  acls,
  watchLists,
  words,
  admin,
  cli,
  zooCfg,
  setUp,
  files,
]
