package ingest

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func TestBodiesShareARoomAndGiveItBack(t *testing.T) {
	t.Parallel()
	in := &intake{limit: 3 * firstRead}
	body := make([]byte, firstRead+1)
	first, second, third := &share{in: in}, &share{in: in}, &share{in: in}
	if _, err := first.read(bytes.NewReader(body), int64(len(body))); err != nil {
		t.Fatal(err)
	}
	if _, err := second.read(bytes.NewReader(body), -1); !errors.Is(err, errIntakeFull) {
		t.Errorf("two bodies where one has room: %v", err)
	}
	second.release()
	first.release()
	if _, err := third.read(bytes.NewReader(body), -1); err != nil {
		t.Errorf("after both were given back: %v", err)
	}
	third.release()
	if left := in.taken.Load(); left != 0 {
		t.Errorf("%d bytes are still taken", left)
	}
}

func TestABodyIsReadWholeHoweverItComes(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, firstRead - 1, firstRead, firstRead + 1, 10*firstRead + 7} {
		body := bytes.Repeat([]byte("x"), size)
		for name, from := range map[string]io.Reader{
			"at once":      bytes.NewReader(body),
			"byte by byte": iotest.OneByteReader(bytes.NewReader(body)),
			"with its end": iotest.DataErrReader(bytes.NewReader(body)),
		} {
			for _, expected := range []int64{int64(size), -1, 0, 3} { // a wrong one is net/http's to refuse
				room := &share{in: &intake{limit: 1 << 20}}
				if got, err := room.read(from, expected); err != nil || !bytes.Equal(got, body) {
					t.Errorf("%d bytes %s, %d expected: %d bytes, %v", size, name, expected, len(got), err)
				}
				from = bytes.NewReader(body)
			}
		}
	}
	broken := &share{in: &intake{limit: 1 << 20}}
	if _, err := broken.read(iotest.TimeoutReader(bytes.NewReader(make([]byte, 2*firstRead))), -1); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("a body that breaks off: %v", err)
	}
}
