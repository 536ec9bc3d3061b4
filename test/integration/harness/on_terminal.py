"""Runs a program on a terminal of its own: stdin and stdout of this script are the terminal's other side.
On descriptor 3 it takes lines `ROWS COLUMNS` and resizes the terminal. Ends with the program's own code."""
import fcntl, os, pty, select, signal, struct, sys, termios

pid, master = pty.fork()
if pid == 0:
    os.close(3)
    os.execvp(sys.argv[1], sys.argv[1:])

sources = [0, 3, master]
while True:
    ready, _, _ = select.select(sources, [], [], 0.1)
    if 3 in ready:
        line = os.read(3, 100).decode().split()
        if len(line) >= 2:
            fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack('HHHH', int(line[0]), int(line[1]), 0, 0))
            os.kill(pid, signal.SIGWINCH)
        else:
            sources.remove(3)
    if 0 in ready:
        data = os.read(0, 65536)
        if data:
            os.write(master, data)
        else:
            sources.remove(0)
    if master in ready:
        try:
            data = os.read(master, 65536)
        except OSError:
            data = b''
        if not data:
            break
        os.write(1, data)
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status) & 255)
