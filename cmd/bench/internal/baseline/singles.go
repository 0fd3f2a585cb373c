package baseline

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/tidwall/gjson"

	"github.com/educareschool/guichet/pkg/stream"
)

// RunSingles serves a handler that publishes each event by itself and waits for its acknowledgement: the plain
// way to be sure that it is on disk.
func RunSingles(ctx context.Context) error {
	conn, err := nats.Connect(os.Getenv(NATSVariable))
	if err != nil {
		return fmt.Errorf("%s: %w", NATSVariable, err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	return serve(ctx, func(ctx context.Context, body []byte) error {
		envelope := gjson.GetManyBytes(body, "id", "type")
		id, kind := envelope[0].Str, envelope[1].Str
		if id == "" || kind == "" {
			return errors.New("not an event")
		}
		m := nats.NewMsg(stream.Subject(kind))
		m.Data = body
		m.Header.Set(stream.HeaderMsgID, id)
		_, err := js.PublishMsg(ctx, m)
		return err
	})
}
