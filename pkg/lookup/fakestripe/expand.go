package fakestripe

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// references are the fields that can be expanded, and what they refer to.
func references() map[string]string {
	return map[string]string{"payment_intent": "payment_intent", "latest_charge": "charge", "charge": "charge"}
}

// deepest is how many levels Stripe expands. https://docs.stripe.com/expand
const deepest = 4

// many is how a parameter of a list is written: name[] or name[0].
func many(query url.Values, name string) []string {
	var names []string
	for n := range query {
		if isOf(n, name) {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	var values []string
	for _, n := range names {
		values = append(values, query[n]...)
	}
	return values
}

func isOf(parameter, name string) bool {
	return strings.HasPrefix(parameter, name+"[") && strings.HasSuffix(parameter, "]")
}

func isExpand(parameter string) bool { return isOf(parameter, "expand") }

func expansions(query url.Values) ([]string, *problem) {
	fields := many(query, "expand")
	for _, f := range fields {
		if strings.Count(f, ".") >= deepest {
			return nil, invalid("expand", fmt.Sprintf("You cannot expand more than %d levels of a property. Property: %s", deepest, f))
		}
	}
	return fields, nil
}

// expanded is a copy of the object with the fields' objects instead of their ids. What is null stays so; an
// object that a test did not add is nothing but its id.
func (s *Server) expanded(account string, o Object, fields []string) (Object, *problem) {
	out := copied(o)
	for _, f := range fields {
		if p := s.expand(account, out, f); p != nil {
			return nil, p
		}
	}
	return out, nil
}

func (s *Server) expand(account string, o Object, field string) *problem {
	name, deeper, _ := strings.Cut(field, ".")
	kind, can := references()[name]
	value, has := o[name]
	if !can || !has {
		return invalid("expand", "This property cannot be expanded ("+name+").")
	}
	if id, isID := value.(string); isID {
		referred := s.find(account, kind, id)
		if referred == nil {
			referred = Object{"id": id, "object": kind}
		}
		value = copied(referred)
		o[name] = value
	}
	if inner, isObject := value.(Object); isObject && deeper != "" {
		return s.expand(account, inner, deeper)
	}
	return nil
}
