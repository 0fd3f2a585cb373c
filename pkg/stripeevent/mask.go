package stripeevent

import (
	"bytes"
	"errors"
	"strings"

	"github.com/tidwall/gjson"
)

// Masked stands for a value that Mask hides.
const Masked = "***"

// personal are the keys whose values, or all that is below them, tell of a person or open something.
var personal = map[string]bool{
	"address": true, "billing_details": true, "customer_details": true, "collected_information": true, "custom_fields": true,
	"evidence": true, "individual_name": true, "owner": true, "shipping": true, "shipping_details": true, "payment_method_details": true,
	"card": true, "client_secret": true, "description": true, "email": true, "fingerprint": true, "ip": true, "last4": true,
	"name": true, "nickname": true, "phone": true, "username": true, "value": true,
}

// words are the keys whose texts are Stripe's own sentences.
var words = map[string]bool{"message": true, "seller_message": true, "failure_message": true, "doc_url": true}

// Mask writes an event, or any object of Stripe's, indented, for people who need not know who it is about: it
// keeps ids, codes, numbers and Stripe's own words, and hides names, addresses, secrets, links and all text that
// it does not know. Of metadata it keeps registrationId alone.
func Mask(body []byte) ([]byte, error) {
	if !gjson.ValidBytes(body) {
		return nil, errors.New("it is not valid JSON")
	}
	var m masking
	m.value("", gjson.ParseBytes(body), false, "\n")
	m.out.WriteByte('\n')
	return m.out.Bytes(), nil
}

type masking struct{ out bytes.Buffer }

// value writes a value that a key names; indent is a line break and the spaces before what is on its level.
func (m *masking) value(key string, v gjson.Result, hide bool, indent string) {
	switch {
	case v.IsObject():
		m.members(key, v, hide, indent)
	case v.IsArray():
		m.out.WriteByte('[')
		first := true
		v.ForEach(func(_, item gjson.Result) bool {
			m.next(&first, indent)
			m.value(key, item, hide, indent+"  ")
			return true
		})
		m.end(first, indent, ']')
	case hide && (v.Type == gjson.String || v.Type == gjson.Number), v.Type == gjson.String && !words[key] && !harmless(v.Str):
		m.out.WriteString(`"` + Masked + `"`)
	default:
		m.out.WriteString(v.Raw)
	}
}

func (m *masking) members(of string, v gjson.Result, hide bool, indent string) {
	m.out.WriteByte('{')
	first := true
	v.ForEach(func(key, member gjson.Result) bool {
		m.next(&first, indent)
		m.out.WriteString(key.Raw + ": ")
		hidden := hide || hides(key.Str)
		if of == "metadata" {
			hidden = hide || key.Str != "registrationId"
		}
		m.value(key.Str, member, hidden, indent+"  ")
		return true
	})
	m.end(first, indent, '}')
}

func (m *masking) next(first *bool, indent string) {
	if !*first {
		m.out.WriteByte(',')
	}
	*first = false
	m.out.WriteString(indent + "  ")
}

func (m *masking) end(empty bool, indent string, bracket byte) {
	if !empty {
		m.out.WriteString(indent)
	}
	m.out.WriteByte(bracket)
}

func hides(key string) bool {
	return personal[key] || strings.HasSuffix(key, "_email") || strings.HasSuffix(key, "_name") || strings.HasSuffix(key, "_phone") ||
		strings.HasSuffix(key, "_ip") || strings.HasSuffix(key, "_address")
}

// harmless says whether a text can be an id, a code or a time: one word of the letters that those have.
func harmless(s string) bool {
	return len(s) <= maxID && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && !strings.ContainsRune("_-.:+", r)
	})
}
