/** Set for each part that `howdah up` starts: its stdin is a pipe whose close means that `up` is gone. */
export const SUPERVISED = 'HOWDAH_SUPERVISED'
