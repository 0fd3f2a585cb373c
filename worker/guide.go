package worker

import (
	"cmp"

	"go.uber.org/zap"

	"github.com/educareschool/guichet/pkg/logging"
	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

// guide writes the lines of the operators' guide, to the letter: people and scripts look for them.
type guide struct{ log *zap.Logger }

// received says what an event tells, once, when it is new.
func (g guide) received(e store.Received) {
	if e.Fact == nil {
		g.log.Debug("Event ignored", append(eventFields(e), zap.String("reason", e.Ignored))...)
		return
	}
	f := *e.Fact
	switch {
	case e.Type == "checkout.session.completed":
		g.log.Info("✅ Checkout completed for session: "+f.Session, eventFields(e)...)
	case f.Kind == registration.PaymentFailed:
		why := cmp.Or(f.Message, f.DeclineCode, f.Code, "the payment method did not pay")
		g.log.Warn("❌ Payment failed: "+cmp.Or(f.Intent, f.Session)+" - "+why, eventFields(e)...)
	case f.Kind == registration.ActionRequired:
		g.log.Warn("⚠️  Payment requires action: "+f.Intent, eventFields(e)...)
	case f.Kind == registration.Disputed:
		g.log.Warn("⚖️  Charge dispute created: "+f.Charge, eventFields(e)...)
	default:
		g.log.Debug("Event recorded", eventFields(e)...)
	}
}

// handled says that a fact has found its registration, which is settled with it.
func (g guide) handled(link store.Link) {
	fields := []zap.Field{
		zap.String(logging.EventID, link.Fact.ID), zap.String(logging.EventType, link.EventType),
		zap.String(logging.RegistrationID, link.RegistrationID),
	}
	switch link.Fact.Kind {
	case registration.Paid:
		g.log.Info("✅ Payment confirmed for registration: "+link.RegistrationID, fields...)
	case registration.PaymentFailed:
		g.log.Warn("❌ Payment failure handled for registration: "+link.RegistrationID, fields...)
	case registration.ActionRequired:
		g.log.Warn("⚠️  Payment action required handled for registration: "+link.RegistrationID, fields...)
	case registration.Disputed:
		g.log.Warn("⚖️  Chargeback handled for registration: "+link.RegistrationID, fields...)
	default:
		g.log.Debug("Event handled", fields...)
	}
}

// failed says that a payment or its failure did not reach the registration that it names.
func (g guide) failed(e store.Received, why string) {
	fields := append(eventFields(e), zap.String("reason", why))
	switch e.Fact.Kind {
	case registration.Paid:
		g.log.Error("❌ Failed to confirm payment for registration: "+e.Registration, fields...)
	case registration.PaymentFailed:
		g.log.Error("❌ Failed to handle payment failure for registration: "+e.Registration, fields...)
	}
}

func eventFields(e store.Received) []zap.Field {
	return []zap.Field{
		zap.String(logging.EventID, e.ID), zap.String(logging.EventType, e.Type),
		zap.String(logging.RegistrationID, e.Registration), zap.Uint64(logging.Sequence, e.Sequence),
	}
}
