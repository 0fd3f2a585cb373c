package lookup

import "github.com/tidwall/gjson"

// What tests look into.
var Unreachable = unreachable

// Read reads an answer's body.
func (c *Client) Read(id string, body []byte) (SessionAnswer, error) {
	return c.read(id, gjson.ParseBytes(body))
}
