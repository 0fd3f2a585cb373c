package traffic

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// answerTimeout is how long an answer may take before a benchmark fails.
const answerTimeout = 20 * time.Second

// connection posts requests one after the other, with less work a request than net/http's client, whose share
// of the machine would else be larger than the server's.
type connection struct {
	net.Conn
	out, in []byte
}

func dial(ctx context.Context, address string) (*connection, error) {
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect to the handler: %w", err)
	}
	return &connection{Conn: c, out: make([]byte, 0, 4096), in: make([]byte, 4096)}, nil
}

// post sends the n-th request and returns once it is answered with 200; any other answer is an error.
func (c *connection) post(r *Requests, n int) error {
	c.out = r.Append(c.out[:0], n)
	if _, err := c.Write(c.out); err != nil {
		return fmt.Errorf("post: %w", err)
	}
	return c.answer()
}

func (c *connection) answer() error {
	const end = "\r\n\r\n"
	read := 0
	for {
		n, err := c.Read(c.in[read:])
		if err != nil {
			return fmt.Errorf("answer: %w", err)
		}
		read += n
		if head := bytes.Index(c.in[:read], []byte(end)); head >= 0 {
			length, err := contentLength(c.in[:head])
			if err != nil {
				return err
			}
			missing := head + len(end) + length - read
			if head+len(end)+length > len(c.in) || missing < 0 {
				return fmt.Errorf("an answer of %d bytes", length)
			}
			_, err = io.ReadFull(c, c.in[read:read+missing])
			return err
		}
		if read == len(c.in) {
			return fmt.Errorf("no answer: %.100q", c.in)
		}
	}
}

func contentLength(head []byte) (int, error) {
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) {
		line, _, _ := bytes.Cut(head, []byte("\r\n"))
		return 0, fmt.Errorf("the handler answered %q", line)
	}
	const name = "\r\nContent-Length: "
	at := bytes.Index(head, []byte(name))
	if at < 0 {
		return 0, fmt.Errorf("an answer without a length")
	}
	value, _, _ := bytes.Cut(head[at+len(name):], []byte("\r\n"))
	return strconv.Atoi(string(value))
}
