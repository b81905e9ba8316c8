# make run          a bench of simulated machines provisions itself, watched on the screen
# make run QEMU=1   with one real machine, in an emulator, among them
# make test         everything that must hold before a change is taken
# make fuzz         what comes from the network, made up by libFuzzer, a minute each
# make bench        as fast as others: DHCP, TFTP, HTTP and writing disks beside the usual programs (minutes; leave the machine alone)
# make screens      pictures of every pane as text, from a demo that runs, into assets/screens
# make install      the station and its boot files, where they are looked for (DESTDIR is heeded)
# make clean        removes all that was built and downloaded

target := $(or $(CARGO_TARGET_DIR),target)
agent := $(target)/oxbow-agent

.PHONY: run screens test fuzz bench test-files boot-files release install clean

run: release boot-files
	packaging/demo

screens: release boot-files
	packaging/screens

release:
	packaging/run-deps
	$(if $(QEMU),packaging/test-deps)
	cargo build --release --bin oxbow

boot-files:
	packaging/run-deps
	packaging/agent $(agent)
	packaging/boot-files $(target)/boot-files $(agent)

install: release boot-files
	install -D -m 755 $(target)/release/oxbow $(DESTDIR)/usr/local/bin/oxbow
	mkdir -p $(DESTDIR)/usr/share/oxbow/boot
	cp -r $(target)/boot-files/. $(DESTDIR)/usr/share/oxbow/boot/
	mkdir -p $(DESTDIR)/usr/share/oxbow/profiles
	cp -r profiles/. $(DESTDIR)/usr/share/oxbow/profiles/

# What tests find in the target directory (a system with cloud-init, too, and senders of syslog, of Debian packages).
test-files: boot-files
	tests/image/build $(target)/test-image
	tests/cloud-image/build $(target)/cloud-image
	tests/senders/build $(target)/senders

test:
	packaging/test

fuzz:
	packaging/fuzz 60

bench:
	tests/bench/dhcp
	tests/bench/tftp
	tests/bench/http
	tests/bench/logs
	tests/bench/write

clean:
	cargo clean

export QEMU
