# nomad job run deploy/nomad.hcl
job "app" {
  type = "service"

  group "app" {
    count = 2

    network {
      port "http" {
        to = 8080
      }
      port "metrics" {
        to = 9464
      }
    }

    service {
      name = "app"
      port = "http"

      check {
        name     = "ready"
        type     = "http"
        port     = "metrics"
        path     = "/readyz"
        interval = "2s"
        timeout  = "1s"
      }
    }

    task "app" {
      driver       = "docker"
      kill_signal  = "SIGTERM"
      kill_timeout = "30s" # more than the worst case of supinit --check; the client's max_kill_timeout must allow it

      config {
        image           = "registry.example.com/app:latest"
        ports           = ["http", "metrics"]
        readonly_rootfs = true
        cap_drop        = ["all"]

        mount {
          type   = "tmpfs"
          target = "/run"
        }
        mount {
          type   = "tmpfs"
          target = "/tmp"
        }
      }

      env {
        DRAIN_DELAY = "5s" # longer than the check takes to notice
      }

      resources {
        cpu    = 200
        memory = 256
      }
    }
  }
}
