package ingest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// quiet is how long no answer must come for none to be awaited; a machine may be slow.
const quiet = 5 * time.Second

// speak sends raw bytes on a connection of their own, and returns the statuses of the answers until the server closes
// it or a time has passed in which none came.
func speak(t *testing.T, in *ingester, text string) (answers []int, closed bool) {
	t.Helper()
	u, err := url.Parse(in.url)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.DialTimeout("tcp", u.Host, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	go func() { _, _ = io.WriteString(c, text) }() // the server may stop reading in the middle
	reader := bufio.NewReader(c)
	for {
		if err := c.SetReadDeadline(time.Now().Add(quiet)); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(reader, nil)
		if err != nil {
			var waited net.Error
			return answers, !errors.As(err, &waited) || !waited.Timeout()
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
		answers = append(answers, answer.StatusCode)
	}
}

// post is a whole request with a good signature; head is its further header lines.
func post(id, head string) string {
	body := sample(id)
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: test\r\nStripe-Signature: %s\r\nContent-Length: %d\r\n%s\r\n%s",
		Path, sign(testSecret, time.Now(), body), len(body), head, body)
}

func TestPipelinedWebhooksAreAnsweredInOrder(t *testing.T) {
	t.Parallel()
	natsURL, js := startStore(t)
	in := start(t, natsURL, nil)
	forged := strings.Replace(post("evt_2", ""), "v1=", "v1=00", 1)
	answers, _ := speak(t, in, post("evt_1", "")+forged+post("evt_3", ""))
	if fmt.Sprint(answers) != "[200 400 200]" {
		t.Errorf("answered %v", answers)
	}
	if ids := eventIDs(storedEvents(t, js)); ids["evt_1"] != 1 || ids["evt_3"] != 1 || len(ids) != 2 {
		t.Errorf("stored %v", ids)
	}
}

// A request that a proxy before the ingester might read otherwise than it: whatever hides in it gets no signature,
// and what cannot be read in one way only ends the connection.
func TestSmuggledRequestsGetNowhere(t *testing.T) {
	t.Parallel()
	natsURL, js := startStore(t)
	in := start(t, natsURL, nil)
	body := sample("evt_smuggled")
	hidden := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n%s", Path, len(body), body)
	shape := func(head, content string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: test\r\n%s\r\n\r\n%s", Path, head, content)
	}
	together(t, map[string]string{
		"a length and chunks":         shape("Content-Length: 4\r\nTransfer-Encoding: chunked", "0\r\n\r\n"+hidden),
		"chunks and a length":         shape("Transfer-Encoding: chunked\r\nContent-Length: 3", "5\r\nhello\r\n0\r\n\r\n"+hidden),
		"two lengths":                 shape("Content-Length: 5\r\nContent-Length: 6", "hello"+hidden),
		"a signed length":             shape("Content-Length: +5", "hello"+hidden),
		"a negative length":           shape("Content-Length: -5", "hello"+hidden),
		"a length in hexadecimal":     shape("Content-Length: 0x5", "hello"+hidden),
		"an endless length":           shape("Content-Length: 99999999999999999999", "hello"+hidden),
		"an unknown encoding":         shape("Transfer-Encoding: xchunked", "0\r\n\r\n"+hidden),
		"an encoding twice":           shape("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "0\r\n\r\n"+hidden),
		"a space before the colon":    shape("Content-Length : 5", "hello"+hidden),
		"a folded header":             shape("X-A: b\r\n Content-Length: 0", hidden),
		"a NUL in a header":           shape("X-A: \x00", hidden),
		"a bare carriage return":      shape("X-A: b\rContent-Length: 0", hidden),
		"a chunk of a negative size":  shape("Transfer-Encoding: chunked", "-1\r\nhello\r\n0\r\n\r\n"+hidden),
		"a chunk of an endless size":  shape("Transfer-Encoding: chunked", "fffffffffffffffff\r\nhello\r\n0\r\n\r\n"+hidden),
		"chunk extensions for ever":   shape("Transfer-Encoding: chunked", "5;"+strings.Repeat("a=b;", 100_000)+"\r\nhello\r\n0\r\n\r\n"+hidden),
		"a request after a GET":       fmt.Sprintf("GET %s HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n%s", Path, len(hidden), hidden),
		"an absolute address":         fmt.Sprintf("POST http://evil.example%s HTTP/1.1\r\nHost: test\r\n\r\n%s", Path, hidden),
		"HTTP 0.9":                    "POST " + Path + "\r\n\r\n" + hidden,
		"HTTP 2 without an agreement": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + hidden,
		"no host":                     fmt.Sprintf("POST %s HTTP/1.1\r\n\r\n%s", Path, hidden),
		"noise":                       "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + hidden,
	}, func(t *testing.T, text string) {
		answers, _ := speak(t, in, text)
		for _, a := range answers {
			if a < 400 {
				t.Errorf("answered %d", a)
			}
		}
	})
	if stored := storedEvents(t, js); len(stored) > 0 {
		t.Errorf("stored %v", eventIDs(stored))
	}
	if got := in.post(sample("evt_after")); got.Status != http.StatusOK {
		t.Errorf("afterwards: %d %s", got.Status, got.text)
	}
}

// together runs a case each, all at once, and returns when they are over.
func together(t *testing.T, cases map[string]string, run func(t *testing.T, text string)) {
	t.Helper()
	t.Run("case", func(t *testing.T) {
		for name, text := range cases {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				run(t, text)
			})
		}
	})
}

func TestHeadersBeyondTheLimitEndTheConnection(t *testing.T) {
	t.Parallel()
	natsURL, js := startStore(t)
	in := start(t, natsURL, nil)
	together(t, map[string]string{
		"one long header":     "X-Bomb: " + strings.Repeat("x", 64<<10) + "\r\n",
		"one without an end":  "X-Bomb: " + strings.Repeat("x", 1<<20),
		"many short headers":  strings.Repeat("X: y\r\n", 20_000),
		"a long signature":    "Stripe-Signature: t=1," + strings.Repeat("v1=00,", 20_000) + "\r\n",
		"a long request line": "",
	}, func(t *testing.T, head string) {
		text := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: test\r\n%s\r\n", Path, head)
		if head == "" {
			text = fmt.Sprintf("POST %s?%s HTTP/1.1\r\nHost: test\r\n\r\n", Path, strings.Repeat("x", 64<<10))
		}
		answers, closed := speak(t, in, text)
		if len(answers) > 1 || len(answers) == 1 && answers[0] != http.StatusRequestHeaderFieldsTooLarge || !closed {
			t.Errorf("%d answers, closed %t", len(answers), closed)
		}
	})
	if stored := storedEvents(t, js); len(stored) > 0 {
		t.Errorf("stored %v", eventIDs(stored))
	}
}

func TestABodyInChunksThatNeverEndsIsRefusedAtTheLimit(t *testing.T) {
	t.Parallel()
	natsURL, js := startStore(t)
	in := start(t, natsURL, nil)
	chunk := "10000\r\n" + strings.Repeat("x", 0x10000) + "\r\n"
	answers, closed := speak(t, in, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\nStripe-Signature: t=1,v1=00\r\n\r\n", Path)+
		strings.Repeat(chunk, 1000))
	if len(answers) != 1 || answers[0] != http.StatusRequestEntityTooLarge || !closed {
		t.Errorf("%d answers, closed %t", len(answers), closed)
	}
	if stored := storedEvents(t, js); len(stored) > 0 {
		t.Errorf("stored %v", eventIDs(stored))
	}
}

func TestHostileValuesInASignedEventAreStoredAsTheyAre(t *testing.T) {
	t.Parallel()
	natsURL, js := startStore(t)
	in := start(t, natsURL, nil)
	for i, data := range []string{
		`{"object":{"metadata":{"registrationId":"'; DROP TABLE registrations; --"}}}`,
		`{"object":{"metadata":{"registrationId":"<script>alert(1)</script>\r\nBcc: all@example.org"}}}`,
		`{"object":{"metadata":{"registrationId":"` + strings.Repeat("x", 1_000_000) + `"}}}`,
		`{"object":{"amount_total":1` + strings.Repeat("0", 100_000) + `}}`,
		`{"object":{"amount_total":1e999999999}}`,
		"{\"object\":{\"name\":\"\xff\xfe\xc0\x80\"}}",
		`{"object":{},"object":{},"object":{}}`,
		`{"object":{"name":"\ud800\udfff\u0000"}}`,
	} {
		body := fmt.Sprintf(`{"id":"evt_%d","type":"checkout.session.completed","created":1700000000,"data":%s,"id":"evt_second"}`, i, data)
		if got := in.post(body); got.Status != http.StatusOK || got.ID != fmt.Sprintf("evt_%d", i) {
			t.Errorf("%.80s: %d %s", data, got.Status, got.text)
		}
		all := storedEvents(t, js)
		if last := all[len(all)-1]; string(last.Data) != body {
			t.Errorf("%.80s: stored otherwise", data)
		}
	}
}
