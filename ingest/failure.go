package ingest

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// errBusy is returned when too many events wait to be stored.
var errBusy = errors.New("too many events are waiting")

// JetStream's error codes that are told apart here; nats.go names none of them.
const (
	codeAccountResources = 10002 // the account's limit
	codeUnavailable      = 10008 // the cluster has no leader just now
	codeServerResources  = 10023 // the server's disk or limit
	codeMemoryResources  = 10028
	codeStorageResources = 10047
	codeStreamMismatch   = 10060
	codeStoreFailed      = 10077 // the stream is full
	codeHeaderTooLarge   = 10097
	codeInProcess        = 10158 // the same id is being stored by another request: neither stored nor lost yet
	codeTooManyRequests  = 10167
)

// failureOutcome is where a failed publish becomes an answer.
func failureOutcome(err error) outcome {
	switch code := apiCode(err); code {
	case codeStoreFailed, codeAccountResources, codeServerResources, codeMemoryResources, codeStorageResources:
		return storeFull
	case jetstream.JSErrCodeStreamMessageExceedsMaximum, codeHeaderTooLarge:
		return storeTooSmall
	case 0:
	default:
		return storeRefused
	}
	switch {
	case errors.Is(err, errBusy):
		return busy
	case errors.Is(err, context.Canceled):
		return clientGone
	case isAny(err, context.DeadlineExceeded, jetstream.ErrAsyncPublishTimeout, nats.ErrTimeout):
		return storeTimeout
	case isAny(err, nats.ErrDisconnected, nats.ErrReconnectBufExceeded, nats.ErrConnectionClosed,
		nats.ErrConnectionDraining, nats.ErrConnectionReconnecting):
		return disconnected
	case isAny(err, jetstream.ErrNoStreamResponse, nats.ErrNoResponders):
		return storeMissing
	case errors.Is(err, nats.ErrMaxPayload):
		return storeTooSmall
	}
	return storeRefused
}

// worthAnotherTry says whether the same publish may succeed within the request's time: its acknowledgement was
// lost or nobody led the stream, as when its leader moves.
func worthAnotherTry(err error) bool {
	switch apiCode(err) {
	case codeUnavailable, codeInProcess, codeTooManyRequests:
		return true
	default:
		return isAny(err, jetstream.ErrAsyncPublishTimeout, jetstream.ErrNoStreamResponse)
	}
}

// apiCode is the code of an error that JetStream answered with, else 0.
func apiCode(err error) jetstream.ErrorCode {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.ErrorCode
	}
	return 0
}

func isAny(err error, targets ...error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}
