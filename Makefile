target := $(or $(CARGO_TARGET_DIR),target)
agent := $(target)/oxbow-agent

.PHONY: help run quick test test-all fuzz bench screens demo-program boot-files test-files matrix-files release install clean

help: ## show this list (the default)
	@sed -n 's/^\([a-z][a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F '\t' '{ printf "  make %-12s %s\n", $$1, $$2 }'

run: ## a bench of simulated machines installs itself, on the screen (QEMU=1 adds an emulated machine)
	packaging/run

quick: ## unit tests and the rules of the repository: after every change
	packaging/run-tests quick

test: ## what a change must pass: format, clippy, tests, one BIOS and one UEFI boot in QEMU
	packaging/test

test-all: ## what `make test` leaves out: every machine in QEMU, fuzzing, licences, the book
	packaging/test-all

fuzz: ## fuzz everything that reads the network, a minute each
	packaging/fuzz 60

bench: ## compare DHCP, TFTP, HTTP and disk writing with other programs (minutes; leave the machine alone)
	tests/bench/dhcp
	tests/bench/tftp
	tests/bench/http
	tests/bench/logs
	tests/bench/write

screens: demo-program boot-files ## write pictures of every pane, as text, to assets/screens
	packaging/screens

release: ## build the station as it is installed
	packaging/run-deps
	cargo build --release --bin oxbow

install: release boot-files ## install the station, its boot files and profiles (DESTDIR is respected)
	install -D -m 755 $(target)/release/oxbow $(DESTDIR)/usr/local/bin/oxbow
	mkdir -p $(DESTDIR)/usr/share/oxbow/boot
	cp -r $(target)/boot-files/. $(DESTDIR)/usr/share/oxbow/boot/
	mkdir -p $(DESTDIR)/usr/share/oxbow/profiles
	cp -r profiles/. $(DESTDIR)/usr/share/oxbow/profiles/

clean: ## remove everything that was built or downloaded
	cargo clean

demo-program:
	packaging/run-deps
	cargo build --profile demo --bin oxbow

boot-files:
	packaging/run-deps
	packaging/boot-files --download
	packaging/agent $(agent)
	packaging/boot-files $(target)/boot-files $(agent)

# What tests find in the target directory: an OS to install, and senders of syslog; for the long rows systems with cloud-init.
test-files: boot-files
	tests/image/build $(target)/test-image
	tests/senders/build $(target)/senders

matrix-files: test-files
	tests/cloud-image/build $(target)/cloud-image

export QEMU
