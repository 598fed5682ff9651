/** Sends a POST request to this machine. */
export async function post(
  port: number | undefined,
  path: string,
  type: string,
  body: string | Buffer,
  headers: Record<string, string> = {},
): Promise<{ status: number; type: string; text: string; bytes: Buffer }> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method: 'POST',
    headers: { 'content-type': type, ...headers },
    body,
  })
  const bytes = Buffer.from(await response.arrayBuffer())
  return {
    status: response.status,
    type: response.headers.get('content-type') ?? '',
    text: bytes.toString(),
    bytes,
  }
}
