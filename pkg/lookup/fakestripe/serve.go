package fakestripe

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// collections are the paths that are served, and what they hold.
func collections() map[string]string {
	return map[string]string{
		"/v1/checkout/sessions": "checkout.session",
		"/v1/payment_intents":   "payment_intent",
		"/v1/charges":           "charge",
		"/v1/events":            "event",
		"/v1/webhook_endpoints": "webhook_endpoint",
	}
}

// pathOf is the collection that an object is in; empty where there is none.
func pathOf(o Object) string {
	for path, kind := range collections() {
		if o["object"] == kind {
			return path
		}
	}
	return ""
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	number, wait := s.arrive(r)
	defer s.leave()
	w.Header().Set("Request-Id", fmt.Sprintf("req_%014d", number))
	w.Header().Set("Stripe-Version", r.Header.Get("Stripe-Version"))
	w.Header().Set("Date", s.Now().UTC().Format(http.TimeFormat))
	select {
	case <-wait:
	case <-s.gone:
		return
	case <-r.Context().Done():
		return
	}
	if f, ok := s.nextFailure(); ok {
		f.write(w)
		return
	}
	if p := s.refusal(r); p != nil {
		p.write(w)
		return
	}
	body, p := s.answer(r)
	if p != nil {
		p.write(w)
		return
	}
	write(w, http.StatusOK, body)
}

func (s *Server) arrive(r *http.Request) (number int, wait <-chan struct{}) {
	query, err := url.QueryUnescape(r.URL.Query().Encode())
	if err != nil {
		query = r.URL.RawQuery
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, Request{
		r.URL.Path, query, r.Header.Get("Stripe-Account"), r.Header.Get("Stripe-Version"), r.Header.Get("X-Stripe-Client-User-Agent"),
	})
	s.inHand++
	s.most = max(s.most, s.inHand)
	s.changed.Broadcast()
	return len(s.requests), s.release
}

func (s *Server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inHand--
	s.changed.Broadcast()
}

// refusal says what is wrong with who asks.
func (s *Server) refusal(r *http.Request) *problem {
	key, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case !bearer || key == "":
		return &problem{status: http.StatusUnauthorized, Message: "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth."}
	case key != s.Key:
		return &problem{status: http.StatusUnauthorized, Message: "Invalid API Key provided: " + masked(key)}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	account := r.Header.Get("Stripe-Account")
	if _, connected := s.accounts[account]; !connected {
		return &problem{status: http.StatusForbidden, Code: "account_invalid", Message: fmt.Sprintf(
			"The provided key '%s' does not have access to account '%s' (or that account does not exist). Application access may have been revoked.", masked(key), account)}
	}
	for prefix, permission := range s.barred {
		if strings.HasPrefix(r.URL.Path, prefix) {
			return &problem{status: http.StatusForbidden, Message: fmt.Sprintf(
				"The provided key '%s' does not have the required permissions for this endpoint on account 'acct_fake'. Having the '%s' permission would allow this request to continue.", masked(key), permission)}
		}
	}
	return nil
}

// masked shows a key as Stripe's messages do: its beginning and its end.
func masked(key string) string {
	if len(key) < 12 {
		return strings.Repeat("*", len(key))
	}
	return key[:8] + strings.Repeat("*", len(key)-12) + key[len(key)-4:]
}

func (s *Server) answer(r *http.Request) (Object, *problem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	account := r.Header.Get("Stripe-Account")
	for path, kind := range collections() {
		rest, inside := strings.CutPrefix(r.URL.Path, path)
		switch {
		case r.Method != http.MethodGet || !inside:
		case rest == "":
			return s.list(account, kind, path, r.URL.Query())
		case strings.HasPrefix(rest, "/") && strings.Count(rest, "/") == 1:
			return s.retrieve(account, kind, rest[1:], r.URL.Query())
		}
	}
	return nil, &problem{status: http.StatusNotFound, Message: fmt.Sprintf("Unrecognized request URL (%s: %s).", r.Method, r.URL.Path)}
}

func (s *Server) retrieve(account, kind, id string, query url.Values) (Object, *problem) {
	fields, p := expansions(query)
	if p != nil {
		return nil, p
	}
	for name := range query {
		if !isExpand(name) {
			return nil, unknownParameter(name)
		}
	}
	o := s.find(account, kind, id)
	if o == nil {
		param := map[string]string{"checkout.session": "session", "payment_intent": "intent"}[kind]
		if param == "" {
			param = "id"
		}
		return nil, missing(http.StatusNotFound, kind, id, param)
	}
	return s.expanded(account, o, fields)
}

func (s *Server) find(account, kind, id string) Object {
	for _, o := range s.accounts[account] {
		if o.Object["object"] == kind && o.Object["id"] == id {
			return o.Object
		}
	}
	return nil
}

func write(w http.ResponseWriter, status int, body any) {
	encoded, err := json.MarshalIndent(body, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("fakestripe: an answer is not JSON: %v", err))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(encoded) // the client may be gone
}
