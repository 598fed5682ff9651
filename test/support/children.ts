// Programs in processes of their own, for what only the end of a process can show.

import { spawn } from 'node:child_process'

export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
  /** From the line `ready` (else from the start) to the end, in milliseconds. */
  ms: number
}

/** Where a program imports the package's source from: `import { x } from '${source}/lifecycle/index.ts'`. */
export const source: string = new URL('../../src', import.meta.url).href

/**
 * Runs an ES module program to its end, or kills it after 15 s. When it prints `ready`, `whenReady` may send signals.
 */
export function runProgram(
  program: string,
  {
    env = {},
    whenReady,
  }: { env?: Record<string, string>; whenReady?: (kill: (signal: NodeJS.Signals) => void) => void } = {},
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    let start = performance.now()
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', program], {
      cwd: new URL('../..', import.meta.url),
      env: { PATH: process.env.PATH, ...env },
      timeout: 15_000,
      killSignal: 'SIGKILL',
    })
    let stdout = ''
    let stderr = ''
    let ready = false
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
      if (ready || !stdout.includes('ready')) return
      ready = true
      start = performance.now()
      whenReady?.(signal => child.kill(signal))
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    child.on('error', reject)
    child.on('close', (code, signal) =>
      resolve({ code, signal, stdout, stderr, ms: performance.now() - start }),
    )
  })
}
