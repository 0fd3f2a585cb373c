package mail

import (
	"strconv"
	"strings"
)

const (
	noBreak       = "\u00a0"
	narrowNoBreak = "\u202f"
)

// Money is an amount in Stripe's minor units of a currency, an ISO 4217 code in either case.
type Money struct {
	Minor    int64
	Currency string
}

// Known says whether there is an amount at all; zero is one.
func (m Money) Known() bool { return currencyCode(m.Currency) != "" }

// In writes the amount as a language does: "25,00 €", "€25.00". It is empty when the currency is not known.
func (m Money) In(l Language) string {
	code := currencyCode(m.Currency)
	if code == "" {
		return ""
	}
	sign, digits := "", strconv.FormatInt(m.Minor, 10)
	if m.Minor < 0 {
		sign, digits = "-", digits[1:]
	}
	decimals, whole := exponent(code)
	if len(digits) <= decimals {
		digits = strings.Repeat("0", decimals+1-len(digits)) + digits
	}
	units, fraction := digits[:len(digits)-decimals], digits[len(digits)-decimals:]
	if whole && strings.Trim(fraction, "0") == "" {
		fraction = ""
	}
	if l == English {
		return sign + englishSymbol(code) + number(units, fraction, ",", ".")
	}
	return sign + number(units, fraction, narrowNoBreak, ",") + noBreak + frenchSymbol(code)
}

func number(units, fraction, group, point string) string {
	var b strings.Builder
	for i, d := range units {
		if i > 0 && (len(units)-i)%3 == 0 {
			b.WriteString(group)
		}
		b.WriteRune(d)
	}
	if fraction != "" {
		b.WriteString(point + fraction)
	}
	return b.String()
}

func currencyCode(currency string) string {
	code := strings.ToUpper(strings.TrimSpace(currency))
	if len(code) != 3 || strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return ""
	}
	return code
}

// exponent returns how many digits of Stripe's minor units are decimals, and whether the currency is
// written in whole units all the same: https://docs.stripe.com/currencies#zero-decimal, #three-decimal and
// #special-cases. ISK and UGX are the last: "to charge 5 UGX, provide an amount value of 500".
func exponent(code string) (decimals int, whole bool) {
	switch code {
	case "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF":
		return 0, true
	case "BHD", "JOD", "KWD", "OMR", "TND":
		return 3, false
	case "ISK", "UGX":
		return 2, true
	default:
		return 2, false
	}
}

// The symbols are those of the Unicode CLDR for fr and en; a currency that is not here goes by its code.

func frenchSymbol(code string) string {
	switch code {
	case "EUR":
		return "€"
	case "USD":
		return "$US"
	case "GBP":
		return "£GB"
	case "CAD":
		return "$CA"
	case "AUD":
		return "$AU"
	case "XOF":
		return "F" + narrowNoBreak + "CFA"
	case "XAF":
		return "FCFA"
	case "XPF":
		return "FCFP"
	default:
		return code
	}
}

func englishSymbol(code string) string {
	switch code {
	case "EUR":
		return "€"
	case "USD":
		return "$"
	case "GBP":
		return "£"
	case "CAD":
		return "CA$"
	case "AUD":
		return "A$"
	case "JPY":
		return "¥"
	default:
		return code + noBreak
	}
}
