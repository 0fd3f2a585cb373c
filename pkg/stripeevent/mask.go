package stripeevent

import (
	"bytes"
	"errors"
	"regexp"
	"strings"

	"github.com/tidwall/gjson"
)

// Masked stands for a value that Mask hides.
const Masked = "***"

// personal are the keys whose values, or all that is below them, tell of a person or open something.
var personal = map[string]bool{
	"address": true, "billing_details": true, "customer_details": true, "collected_information": true, "custom_fields": true,
	"evidence": true, "individual_name": true, "owner": true, "shipping": true, "shipping_details": true, "payment_method_details": true,
	"card": true, "client_secret": true, "client_reference_id": true, "description": true, "fingerprint": true, "individual": true, "last4": true,
	"person": true, "tax_ids": true, "username": true, "value": true,
}

// personalWords are those of a key that tell of a person, whatever stands beside them: receipt_email.
var personalWords = map[string]bool{
	"name": true, "nickname": true, "email": true, "phone": true, "address": true, "line1": true, "line2": true, "postal": true, "city": true,
	"birth": true, "dob": true, "ip": true, "iban": true,
}

// words are the keys whose texts are Stripe's own.
var words = map[string]bool{"api_version": true, "message": true, "seller_message": true, "failure_message": true, "doc_url": true}

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
	case len(indent) > 2*maxDepth:
		m.out.WriteString(`"` + Masked + `"`)
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
			if !hidden && member.Type == gjson.String { // it may look like anything
				m.out.WriteString(member.Raw)
				return true
			}
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
	if personal[key] {
		return true
	}
	for word := range strings.SplitSeq(strings.ToLower(key), "_") {
		if personalWords[word] {
			return true
		}
	}
	return false
}

// maxDepth is how deep an event may nest and still be shown; Stripe's nest about ten deep.
const maxDepth = 64

// digits are phones, addresses of the internet, days of birth and numbers of accounts, which harmless letters make too.
var digits = regexp.MustCompile(`^\+?(?:[0-9][.:_-]?){7,}$|^[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:[0-9A-Fa-f.:]*$`)

// harmless says whether a text can be an id, a code or a time: one word of the letters that those have.
func harmless(s string) bool {
	return len(s) <= maxID && !digits.MatchString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && !strings.ContainsRune("_-.:+", r)
	})
}
