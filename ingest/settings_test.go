package ingest

import (
	"strings"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/settings"
)

func TestSettingsHaveDefaultsThatWork(t *testing.T) {
	t.Parallel()
	var set Settings
	if err := settings.Load(&set, settings.Source{Env: map[string]string{}}); err != nil {
		t.Fatal(err)
	}
	if set.ListenAddr != ":8080" || set.SignatureTolerance != 5*time.Minute || set.MaxBodyBytes != 1<<20 || !strings.HasPrefix(set.AdminAddr, "127.0.0.1:") {
		t.Errorf("settings = %+v", set)
	}
}

func TestSettingsThatCannotWorkAreRefusedByName(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		env  env
		want string
	}{
		{"production without a secret", env{"GUICHET_ENV": "production"}, "STRIPE_WEBHOOK_SECRET is not set"},
		{"production says what to do", env{"GUICHET_ENV": "production"}, "Docker secret stripe_webhook_secret"},
		{"a secret of separators", env{"STRIPE_WEBHOOK_SECRET": " , \n"}, "holds no secret"},
		{"an API key", env{"STRIPE_WEBHOOK_SECRET": "whsec_a,sk_live_b"}, "secret 2 begins with sk_"},
		{"no tolerance", env{"SIGNATURE_TOLERANCE": "0s"}, "SIGNATURE_TOLERANCE"},
		{"no body", env{"MAX_BODY_BYTES": "0"}, "MAX_BODY_BYTES"},
		{"no time to publish", env{"PUBLISH_TIMEOUT": "0s"}, "PUBLISH_TIMEOUT"},
		{"too little grace", env{"SHUTDOWN_GRACE": "1s"}, "SHUTDOWN_GRACE"},
		{"an unknown environment", env{"GUICHET_ENV": "prod"}, "GUICHET_ENV"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var set Settings
			err := settings.Load(&set, settings.Source{Env: tt.env})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error = %v, want one that says %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "live_b") {
				t.Errorf("the error repeats a secret: %v", err)
			}
		})
	}
}
