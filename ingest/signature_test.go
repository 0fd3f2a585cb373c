package ingest

import (
	"crypto/hmac"
	"encoding/hex"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestSignatureIsJudgedByNameOfWhatIsWrong(t *testing.T) {
	t.Parallel()
	const body = `{"id":"evt_1"}`
	now := time.Unix(1_700_000_000, 0)
	at := func(d time.Duration) string { return sign(testSecret, now.Add(d), body) }
	genuine := digest(testSecret, "1700000000", body)
	tests := []struct {
		name, header string
		want         outcome // "" accepts
	}{
		{"genuine", at(0), ""},
		{"at the limit of age", at(-5 * time.Minute), ""},
		{"at the limit of the future", at(5 * time.Minute), ""},
		{"too old by a second", at(-5*time.Minute - time.Second), signatureOld},
		{"too far in the future by a second", at(5*time.Minute + time.Second), signatureFuture},
		{"signed centuries ahead", sign(testSecret, time.Unix(1<<40, 0), body), signatureFuture},
		{"signed at the end of time", "t=9223372036854775807,v1=" + digest(testSecret, "9223372036854775807", body), signatureFuture},
		{"signed at the beginning of time", sign(testSecret, time.Unix(0, 0), body), signatureOld},
		{"old and by another secret: the forgery counts", sign("whsec_other", now.Add(-time.Hour), body), signatureWrong},
		{"no header", "", signatureMissing},
		{"by another secret", sign("whsec_other", now, body), signatureWrong},
		{"by an empty secret", sign("", now, body), signatureWrong},
		{"of another body", sign(testSecret, now, body+" "), signatureWrong},
		{"first of several v1 is good", at(0) + ",v1=" + digest("whsec_other", "1700000000", body), ""},
		{"last of several v1 is good", "t=1700000000,v1=" + digest("whsec_other", "1700000000", body) + ",v1=" + genuine, ""},
		{"v1 before t", "v1=" + genuine + ",t=1700000000", ""},
		{"unknown schemes are skipped", "t=1700000000,v0=abc,v2=zz,v1=" + genuine, ""},
		{"a v1 that is not hex is skipped", "t=1700000000,v1=xyz,v1=" + genuine, ""},
		{"upper-case hex", "t=1700000000,v1=" + strings.ToUpper(genuine), ""},
		{"only v0", "t=1700000000,v0=" + genuine, signatureMalformed},
		{"no v1", "t=1700000000", signatureMalformed},
		{"only v1 that is not hex", "t=1700000000,v1=xyz", signatureMalformed},
		{"empty v1", "t=1700000000,v1=", signatureWrong},
		{"truncated v1", "t=1700000000,v1=" + genuine[:62], signatureWrong},
		{"no time", "v1=" + genuine, signatureMalformed},
		{"two times", at(0) + ",t=1700000000", signatureMalformed},
		{"a time that is no number", "t=yesterday,v1=" + genuine, signatureMalformed},
		{"a negative time", "t=-1,v1=" + digest(testSecret, "-1", body), signatureMalformed},
		{"a signed time", "t=+1700000000,v1=" + genuine, signatureMalformed},
		{"a time beyond 63 bits", "t=9223372036854775808,v1=" + genuine, signatureMalformed},
		{"an empty time", "t=,v1=" + genuine, signatureMalformed},
		{"spaces", "t=1700000000, v1=" + genuine, signatureMalformed},
		{"no pairs", "garbage", signatureMalformed},
		{"a value with =", "t=1700000000,v1=a=b", signatureMalformed},
		{"only commas", ",,,", signatureMalformed},
	}
	v := verifier{secrets: []string{testSecret}, tolerance: 5 * time.Minute}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, bad := v.verify(now, tt.header, []byte(body))
			var got outcome
			if bad != nil {
				got = bad.outcome
			}
			if got != tt.want {
				t.Errorf("verify(%q) = %q, want %q", tt.header, got, tt.want)
			}
		})
	}
}

func TestAnyFlippedByteBreaksTheSignature(t *testing.T) {
	t.Parallel()
	body := sample("evt_1")
	now := time.Now()
	header := sign(testSecret, now, body)
	v := verifier{secrets: []string{testSecret}, tolerance: time.Minute}
	for i := range len(body) {
		forged := []byte(body)
		forged[i] ^= 1
		if _, bad := v.verify(now, header, forged); bad == nil || bad.outcome != signatureWrong {
			t.Fatalf("byte %d flipped: %v, want %s", i, bad, signatureWrong)
		}
	}
}

func TestRotationAcceptsEverySecretAndSaysWhich(t *testing.T) {
	t.Parallel()
	const body = "{}"
	now := time.Now()
	unix := strconv.FormatInt(now.Unix(), 10)
	v := verifier{secrets: []string{"whsec_new", "whsec_old", "whsec_other_endpoint"}, tolerance: time.Minute}
	tests := []struct {
		name, header string
		want         int
	}{
		{"the new one", sign("whsec_new", now, body), 0},
		{"the old one", sign("whsec_old", now, body), 1},
		{"another endpoint's", sign("whsec_other_endpoint", now, body), 2},
		{"both, as Stripe sends while one is rolled", "t=" + unix + ",v1=" + digest("whsec_unknown", unix, body) + ",v1=" + digest("whsec_old", unix, body), 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, bad := v.verify(now, tt.header, []byte(body))
			if bad != nil || got != tt.want {
				t.Errorf("verify = secret %d, %v; want %d", got, bad, tt.want)
			}
		})
	}
}

func TestOpenSSLSignaturesAreAccepted(t *testing.T) {
	t.Parallel()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Fatalf("openssl is needed as an independent signer: %v", err)
	}
	body := sample("evt_openssl")
	now := time.Now()
	command := exec.CommandContext(t.Context(), openssl, "dgst", "-sha256", "-hmac", testSecret)
	command.Stdin = strings.NewReader(fmt.Sprintf("%d.%s", now.Unix(), body))
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(out)) // "SHA2-256(stdin)= <hex>"
	header := fmt.Sprintf("t=%d,v1=%s", now.Unix(), fields[len(fields)-1])
	v := verifier{secrets: []string{testSecret}, tolerance: time.Minute}
	if _, bad := v.verify(now, header, []byte(body)); bad != nil {
		t.Errorf("verify = %v", bad)
	}
}

// FuzzVerify holds the verifier to what an independent reading of the header accepts, and never more.
func FuzzVerify(f *testing.F) {
	now := time.Unix(1_700_000_000, 0)
	for _, header := range []string{
		"", "t=1,v1=00", "t=1700000000", "t=1700000000,v1=zz", "v1=00,t=1700000000,t=1", "t=1700000000,v0=00,v1=00,v1=11", "==,=,t", "t=1700000000,v1=#",
	} {
		f.Add(header, "{}")
	}
	v := verifier{secrets: []string{"whsec_a", "whsec_b"}, tolerance: time.Minute}
	f.Fuzz(func(t *testing.T, header, body string) {
		// A # stands for a genuine digest, so that the fuzzer reaches behind the HMAC.
		header = strings.ReplaceAll(header, "#", digest("whsec_b", "1700000000", body))
		if _, bad := v.verify(now, header, []byte(body)); bad != nil {
			return
		}
		times, genuine := []string{}, false
		for _, pair := range strings.Split(header, ",") {
			if s, ok := strings.CutPrefix(pair, "t="); ok {
				times = append(times, s)
			}
		}
		if len(times) != 1 {
			t.Fatalf("accepted %q with times %q", header, times)
		}
		unix, err := strconv.ParseInt(times[0], 10, 64)
		if err != nil || unix < now.Unix()-60 || unix > now.Unix()+60 {
			t.Fatalf("accepted %q at %v", header, now)
		}
		for _, pair := range strings.Split(header, ",") {
			for _, secret := range v.secrets {
				want, _ := hex.DecodeString(digest(secret, strconv.FormatInt(unix, 10), body))
				got, err := hex.DecodeString(strings.TrimPrefix(pair, "v1="))
				genuine = genuine || strings.HasPrefix(pair, "v1=") && err == nil && hmac.Equal(want, got)
			}
		}
		if !genuine {
			t.Fatalf("accepted %q, which no secret signed", header)
		}
	})
}
