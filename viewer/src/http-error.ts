/** Ends a request with an HTTP error status; the message is sent to the client. */
export class HttpError extends Error {
  override readonly name: string = 'HttpError'
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}
