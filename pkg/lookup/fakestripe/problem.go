package fakestripe

import (
	"cmp"
	"io"
	"net/http"
)

// problem is an error as Stripe answers it. https://docs.stripe.com/api/errors
type problem struct {
	status  int
	Type    string `json:"type"` // invalid_request_error where not said
	Code    string `json:"code,omitempty"`
	Message string `json:"message"`
	Param   string `json:"param,omitempty"`
}

func (p problem) write(w http.ResponseWriter) {
	p.Type = cmp.Or(p.Type, "invalid_request_error")
	write(w, p.status, map[string]problem{"error": p})
}

func missing(status int, kind, id, param string) *problem {
	return &problem{status: status, Code: "resource_missing", Message: "No such " + kind + ": '" + id + "'", Param: param}
}

func invalid(param, message string) *problem {
	return &problem{status: http.StatusBadRequest, Message: message, Param: param}
}

func unknownParameter(name string) *problem {
	return &problem{status: http.StatusBadRequest, Code: "parameter_unknown", Message: "Received unknown parameter: " + name, Param: name}
}

// Failure is an answer that a Server gives in the place of its own.
type Failure struct {
	Status     int
	RetryAfter string // the header; none when empty
	Body       string // instead of an error as Stripe writes them
}

// Fail gives the next n requests an answer of that status, as Stripe writes it.
func (s *Server) Fail(n, status int) { s.FailWith(n, Failure{Status: status}) }

// FailWith gives the next n requests a failure, after those that are waiting to be given already.
func (s *Server) FailWith(n int, f Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.failures = append(s.failures, f)
	}
}

// Forbid takes from the key a permission, such as rak_charge_read, without which it may not see what is below
// a path, such as /v1/charges.
func (s *Server) Forbid(path, permission string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.barred[path] = permission
}

func (s *Server) nextFailure() (Failure, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.failures) == 0 {
		return Failure{}, false
	}
	f := s.failures[0]
	s.failures = s.failures[1:]
	return f, true
}

func (f Failure) write(w http.ResponseWriter) {
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	if f.Body != "" {
		w.WriteHeader(f.Status)
		_, _ = io.WriteString(w, f.Body) // the client may be gone
		return
	}
	p := problem{status: f.Status, Message: "fakestripe was told to fail."}
	switch {
	case f.Status == http.StatusTooManyRequests:
		p.Code, p.Message = "rate_limit", "Request rate limit exceeded."
	case f.Status >= http.StatusInternalServerError:
		p.Type = "api_error"
	}
	p.write(w)
}
