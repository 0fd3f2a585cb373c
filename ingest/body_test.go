package ingest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestABodyOfExactlyTheLimitIsTaken(t *testing.T) {
	t.Parallel()
	natsURL, _ := startStore(t)
	in := start(t, natsURL, nil)
	body := sample("evt_1")
	body += strings.Repeat(" ", 1<<20-len(body))
	if got := in.post(body); got.Status != http.StatusOK {
		t.Errorf("%d %s", got.Status, got.text)
	}
}

func TestATooLongBodyIsRefusedBeforeItArrives(t *testing.T) {
	t.Parallel()
	natsURL, _ := startStore(t)
	in := start(t, natsURL, nil)
	c := rawRequest(t, in, "Content-Length: 1048577\r\n")
	res, err := http.ReadResponse(bufio.NewReader(c), nil) // no byte of the body is ever sent
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusRequestEntityTooLarge || !res.Close {
		t.Errorf("status = %d, connection closes: %t", res.StatusCode, res.Close)
	}
}

// rawRequest sends the head of a POST with further header lines, and nothing of its body.

func rawRequest(t *testing.T, in *ingester, headers string) net.Conn {
	t.Helper()
	u, err := url.Parse(in.url)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.DialTimeout("tcp", u.Host, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: test\r\n%s\r\n", Path, headers); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestABodyThatBreaksOffIsRefused(t *testing.T) {
	t.Parallel()
	natsURL, js := startStore(t)
	in := start(t, natsURL, nil)
	c := rawRequest(t, in, "Content-Length: 100\r\n")
	if _, err := io.WriteString(c, "{"); err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return metric(t, in.registry, "guichet_ingest_requests_total", string(bodyCutShort)) == 1 },
		func() string { return "the broken request was not counted" })
	if n := len(storedEvents(t, js)); n != 0 {
		t.Errorf("%d events stored, want none", n)
	}
}
