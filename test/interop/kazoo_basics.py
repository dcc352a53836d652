"""What an application does with kazoo, against the server at HOST:PORT.

kazoo_basics.py HOST:PORT          prints `ok NAME` or `FAIL NAME: why` for each check; `@kill` asks
                                   whoever runs it to kill -9 the server and start it again, and then to
                                   write a line
kazoo_basics.py HOST:PORT --hold   holds an ephemeral node until it is killed
"""
import os
import signal
import subprocess
import sys
import threading
import time

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import BadVersionError, NodeExistsError, NoNodeError, NotEmptyError
from kazoo.protocol.states import EventType

HOLDER_TIMEOUT = 2.0
failed = 0


def check(name, good, why=''):
    global failed
    failed += not good
    print(f'ok {name}' if good else f'FAIL {name}: {why}', flush=True)


def raises(error, call, *words, **options):
    try:
        call(*words, **options)
    except error:
        return True
    return False


def until(condition, seconds=15):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def client(hosts, timeout=10.0):
    zk = KazooClient(hosts=hosts, timeout=timeout, connection_retry={'max_tries': -1, 'max_delay': 0.5})
    zk.start(20)
    return zk


def hold(hosts):
    zk = client(hosts, HOLDER_TIMEOUT)
    zk.create('/kazoo/held', b'x', ephemeral=True)
    print('holding', flush=True)
    threading.Event().wait()


def nodes(zk):
    check('create', zk.create('/kazoo/a', b'one') == '/kazoo/a')
    check('create twice', raises(NodeExistsError, zk.create, '/kazoo/a'))
    check('create without a parent', raises(NoNodeError, zk.create, '/kazoo/no/parent'))
    data, stat = zk.get('/kazoo/a')
    check('get', (data, stat.version) == (b'one', 0), f'{data} {stat}')
    check('set', zk.set('/kazoo/a', b'two', version=0).version == 1)
    check('set with a stale version', raises(BadVersionError, zk.set, '/kazoo/a', b'x', version=0))
    zk.create('/kazoo/a/b')
    check('children', zk.get_children('/kazoo/a') == ['b'])
    check('delete a parent', raises(NotEmptyError, zk.delete, '/kazoo/a'))
    zk.delete('/kazoo/a', recursive=True)
    check('delete', zk.exists('/kazoo/a') is None)


def sequences(zk):
    zk.create('/kazoo/q')
    names = [zk.create('/kazoo/q/s-', sequence=True) for _ in range(3)]
    check('sequence numbers', names == [f'/kazoo/q/s-{n:010}' for n in range(3)], names)
    zk.delete(names[2])
    name = zk.create('/kazoo/q/s-', sequence=True)
    check('a number is not given again', name == '/kazoo/q/s-0000000003', name)
    ephemeral = zk.create('/kazoo/q/se-', ephemeral=True, sequence=True)
    owner = zk.exists(ephemeral).ephemeralOwner
    check('an ephemeral one has its owner', owner == zk.client_id[0], owner)


def watches(zk):
    events = []
    zk.create('/kazoo/w', b'')
    zk.exists('/kazoo/later', watch=events.append)
    zk.get('/kazoo/w', watch=events.append)
    zk.get_children('/kazoo/w', watch=events.append)
    zk.create('/kazoo/later')
    zk.set('/kazoo/w', b'1')
    zk.set('/kazoo/w', b'2')
    zk.create('/kazoo/w/child')
    expected = [(EventType.CREATED, '/kazoo/later'), (EventType.CHANGED, '/kazoo/w'), (EventType.CHILD, '/kazoo/w')]
    until(lambda: len(events) >= 3, 5)
    check('watches fire, each once', [(e.type, e.path) for e in events] == expected, events)
    seen = []
    zk.DataWatch('/kazoo/w', lambda data, stat: seen.append(data))
    zk.set('/kazoo/w', b'3')
    check('a data watch follows', until(lambda: seen == [b'2', b'3']), seen)


def multi(zk):
    transaction = zk.transaction()
    transaction.check('/kazoo', version=-1)
    transaction.create('/kazoo/m', b'x')
    transaction.set_data('/kazoo/m', b'y')
    transaction.create('/kazoo/m/s-', sequence=True)
    results = transaction.commit()
    check('multi', results[1] == '/kazoo/m' and results[3] == '/kazoo/m/s-0000000000', results)
    failing = zk.transaction()
    failing.create('/kazoo/half', b'')
    failing.delete('/kazoo/none')
    results = failing.commit()
    check('a failing multi names the failure', isinstance(results[1], NoNodeError), results)
    check('a failing multi changes nothing', zk.exists('/kazoo/half') is None)


def killed_client(zk, hosts):
    holder = subprocess.Popen([sys.executable, __file__, hosts, '--hold'], stdout=subprocess.PIPE, text=True)
    try:
        holder.stdout.readline()
        gone = threading.Event()
        check('an ephemeral of another process', zk.exists('/kazoo/held', watch=lambda event: gone.set()) is not None)
        os.kill(holder.pid, signal.SIGKILL)
        started = time.monotonic()
        check('it vanishes when its process is killed', gone.wait(20) and zk.exists('/kazoo/held') is None)
        took = time.monotonic() - started
        check('not before its session is over', took > HOLDER_TIMEOUT / 2, f'after {took:.1f} s')
    finally:
        holder.kill()
        holder.wait()


def killed_server(zk):
    states, seen = [], []
    zk.add_listener(states.append)
    session = zk.client_id
    zk.create('/kazoo/mine', b'x', ephemeral=True)
    zk.create('/kazoo/kept', b'acknowledged')
    zk.DataWatch('/kazoo/kept', lambda data, stat: seen.append(data))
    print('@kill', flush=True)
    sys.stdin.readline()
    check('reconnects after kill -9', until(lambda: zk.connected and KazooState.CONNECTED in states), states)
    check('with its session', zk.client_id == session and KazooState.LOST not in states, states)
    mine = zk.exists('/kazoo/mine')
    check('its ephemeral is there', mine is not None and mine.ephemeralOwner == session[0], mine)
    check('what was acknowledged is there', zk.get('/kazoo/kept')[0] == b'acknowledged')
    zk.set('/kazoo/kept', b'changed')
    check('a data watch goes on', until(lambda: seen[-1] == b'changed', 5), seen)


def main():
    hosts, *rest = sys.argv[1:]
    if rest:
        return hold(hosts)
    zk = client(hosts)
    zk.ensure_path('/kazoo')
    nodes(zk)
    sequences(zk)
    watches(zk)
    multi(zk)
    killed_client(zk, hosts)
    killed_server(zk)
    zk.stop()
    zk.close()
    other = client(hosts)
    check('closing deletes its ephemerals', other.exists('/kazoo/mine') is None)
    other.stop()
    other.close()
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
