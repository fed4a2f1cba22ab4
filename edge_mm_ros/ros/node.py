"""The base of every node: lifecycle, parameters, workers, bad input and diagnostics."""

from __future__ import annotations

import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter

from edge_mm_ros.datatypes import EdgeMmError, Health, HealthLevel, InvalidInput
from edge_mm_ros.params import NodeParams, ParameterError
from edge_mm_ros.ros import parameters
from edge_mm_ros.ros.diagnostics import FaultRecord, to_array
from edge_mm_ros.ros.qos import DIAGNOSTICS, TopicQos
from edge_mm_ros.ros.topics import CountingPublisher, Listener
from edge_mm_ros.ros.work_queue import Inbox, QueuePolicy, Selection, Worker, latest_only

MAX_FAULTS_IN_A_ROW = 10
DRAIN_TIMEOUT_S = 10.0


class EdgeNode(LifecycleNode):
    """A lifecycle node whose subclass only wires.

    The subclass sets `params_type` and overrides the hooks below. Handlers run on named worker
    threads of the node, never in the executor, so that inference blocks no service and no timer.

    Attributes:
        params: the checked parameters, from configure on.
        last_error: why the last transition failed; empty where it did not.
    """

    params_type: ClassVar[type[NodeParams]]

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        parameters.declare(self, self.params_type)
        self.params: Any = None
        self.last_error = ""
        self._active = False
        self._fault = ""
        self._faults_in_a_row: Counter[Inbox] = Counter()
        self._outputs: list[CountingPublisher] = []
        self._inputs: list[Listener] = []
        self._activity_timers: list[Any] = []
        self._workers: dict[str, Worker] = {}
        self._left_behind: list[Worker] = []
        self._bad_inputs: dict[tuple[str, str], FaultRecord] = {}
        self._for_executor: deque[Callable[[], None]] = deque()
        self._diagnostics = CountingPublisher(
            self.create_publisher(DiagnosticArray, "/diagnostics", DIAGNOSTICS.profile())
        )
        self.add_on_set_parameters_callback(self._check_change)
        self.add_post_set_parameters_callback(self._apply_change)
        self.create_timer(1.0, self._publish_diagnostics)
        # Discovery and faults go on while simulated time stands still.
        self.create_timer(0.25, self._housekeeping, clock=Clock(clock_type=ClockType.STEADY_TIME))

    # Hooks ---------------------------------------------------------------------------------------

    def on_configured(self) -> None:
        """Verify files, build pipelines, create publishers; raise EdgeMmError to refuse."""

    def on_activated(self) -> None:
        """Listen, start timers, preload models; raise EdgeMmError to refuse."""

    def on_deactivating(self) -> None:
        """End what workers wait for: activity ends, and they are about to be drained."""

    def on_deactivated(self) -> None:
        """React to the end of activity; listeners, timers and workers are closed already."""

    def on_cleaned_up(self) -> None:
        """Give back what on_configured took."""

    def check_params(self, new: Any) -> None:
        """Raise ParameterError to refuse values that the class itself cannot judge."""

    def on_params_changed(self) -> None:
        """React to a live change; `params` is the new value."""

    def health(self) -> Iterable[Health]:
        """Further diagnostic entries."""
        return ()

    # Services for subclasses ---------------------------------------------------------------------

    @property
    def active(self) -> bool:
        """Whether the node is active."""
        return self._active

    @property
    def lifecycle_state(self) -> int:
        """Its state, numbered as in ``lifecycle_msgs/State``."""
        return int(self._state_machine.current_state[0])

    def now_ns(self) -> int:
        """Time of the node's clock, nanoseconds; simulated where ``use_sim_time`` is set."""
        return int(self.get_clock().now().nanoseconds)

    def arrived_ns(self) -> int:
        """When the message or tick that is being handled came, by the node's clock; else now.

        What is told by it does not depend on how long the message waited.
        """
        for worker in tuple(self._workers.values()):
            if (arrived_ns := worker.arrived_ns) is not None:
                return arrived_ns
        return self.now_ns()

    def destroy_node(self) -> None:
        """Leave the graph; nothing of the node may be used afterwards."""
        super().destroy_node()
        # rclpy leaves it alone, and as long as it lives the node stays in the graph, and in DDS.
        self._state_machine.destroy_when_not_in_use()

    def advertise(self, msg_type: type, topic: str, qos: TopicQos) -> CountingPublisher:
        """A publisher that lives until cleanup and publishes only while the node is active."""
        publisher = CountingPublisher(
            self.create_lifecycle_publisher(msg_type, topic, qos.profile())
        )
        self._outputs.append(publisher)
        return publisher

    def listen(
        self,
        msg_type: type,
        topic: str,
        handler: Callable[[Any], None],
        *,
        qos: TopicQos,
        queue: QueuePolicy | None = None,
        worker: str = "main",
    ) -> Inbox:
        """Handle a topic's messages on a worker while the node is active; where they wait.

        An `InvalidInput` that the handler raises is counted, logged (rate limited) and shown on
        ``/diagnostics``; any other exception counts as a fault of the node.
        """
        inbox = self._worker(worker).inbox(handler, queue or latest_only())
        self._inputs.append(Listener(self, msg_type, topic, qos, inbox))
        return inbox

    def listen_together(
        self,
        msg_type: type,
        topics: Mapping[str, str],
        handler: Callable[[Sequence[Any]], None],
        *,
        qos: TopicQos,
        selection: Selection,
        worker: str = "main",
    ) -> None:
        """As `listen`, for topics whose messages are handled together.

        Args:
            msg_type: of all topics.
            topics: by the name of a source in the selection.
            handler: gets what the selection takes. An exception that it raises counts as a fault
                of every topic that took part; bad input it tells to `bad_input` itself.
            qos: of all topics.
            selection: which messages are handled next.
            worker: name of the worker.
        """
        group = self._worker(worker).group(handler, selection)
        for source, topic in topics.items():
            self._inputs.append(Listener(self, msg_type, topic, qos, group.inbox(source)))

    def every(self, period_s: float, handler: Callable[[], None], worker: str = "main") -> None:
        """Call `handler` on a worker periodically, on the node's clock, while it is active."""
        inbox = self._worker(worker).inbox(lambda _: handler(), latest_only())
        self._activity_timers.append(self.create_timer(period_s, lambda: inbox.put(None)))

    def inbox(self, handler: Callable[[Any], None], *, queue: QueuePolicy, worker: str) -> Inbox:
        """An inbox without a topic, for items that one worker hands to another."""
        return self._worker(worker).inbox(handler, queue)

    def in_executor(self, action: Callable[[], None]) -> None:
        """Call `action` soon on the executor's thread, which alone may change parameters."""
        self._for_executor.append(action)

    def bad_input(self, source: str, error: InvalidInput) -> None:
        """Count, log (rate limited) and report input that cannot be used."""
        record = self._bad_inputs.setdefault((source, error.kind), FaultRecord())
        line = record.note(str(error), self.now_ns(), time.monotonic())
        if line:
            self.get_logger().warning(f"{source}: {line}")
            self.tell(self._bad_input_health(source, error.kind, record))

    def tell(self, health: Health) -> None:
        """Publish a diagnostic entry now, besides the periodic ones."""
        self._diagnostics.publish(
            to_array([health], self.get_fully_qualified_name(), self.now_ns())
        )

    # What a replay needs to know -----------------------------------------------------------------

    @property
    def publishers_in_use(self) -> tuple[CountingPublisher, ...]:
        """The publishers made by `advertise`, and that of diagnostics."""
        return (*self._outputs, self._diagnostics)

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """The topics listened to while active."""
        return tuple(self._inputs)

    @property
    def idle(self) -> bool:
        """Whether no worker has anything to do and no timer is due."""
        return all(worker.idle for worker in tuple(self._workers.values())) and not any(
            timer.is_ready()
            for timer in self.timers
            if timer.clock.clock_type == ClockType.ROS_TIME
        )

    # Lifecycle -----------------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Take the parameters and let the subclass build what it needs."""
        return self._transition("configure", self._configure, super().on_configure, state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin to listen."""
        return self._transition("activate", self._activate, super().on_activate, state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop listening and finish what waits."""
        result = self._transition("deactivate", self._deactivate, super().on_deactivate, state)
        # A fault ends activity through the error transition, where the node is cleaned up.
        return TransitionCallbackReturn.ERROR if self._fault else result

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give everything back."""
        return self._transition("cleanup", self._clean_up, super().on_cleanup, state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and give everything back."""
        return self._transition("shutdown", self._clean_up, super().on_shutdown, state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Clean up after a failure, so that the node can be configured again."""
        reason = self._fault
        self._fault = ""
        result = self._transition("error", self._clean_up, super().on_error, state)
        self.last_error = reason or self.last_error
        return result

    def _transition(
        self,
        name: str,
        work: Callable[[], None],
        entities: Callable[[LifecycleState], TransitionCallbackReturn],
        state: LifecycleState,
    ) -> TransitionCallbackReturn:
        self.last_error = ""
        try:
            if name == "deactivate":  # what is drained can still be published
                work()
                result = entities(state)
            else:
                result = entities(state)
                work()
        except EdgeMmError as error:
            self.last_error = str(error)
            self.get_logger().error(f"{name}: {error}")
        except Exception as error:
            self.last_error = f"{type(error).__name__}: {error}"
            self.get_logger().error(f"{name}: {traceback.format_exc()}")
        else:
            self._publish_diagnostics()
            return result
        if name == "activate":
            self._stop_activity()
            super().on_deactivate(state)
        elif name == "configure":
            self._release()
        self._publish_diagnostics()
        refused = name in {"activate", "configure"}
        return TransitionCallbackReturn.FAILURE if refused else TransitionCallbackReturn.ERROR

    def _configure(self) -> None:
        parameters.declare(self, self.params_type)
        declared = parameters.names_of(self, self.params_type)
        parameters.refuse_unknown(self, declared)
        params = parameters.read(self, self.params_type)
        self.check_params(params)
        self.params = params
        self.on_configured()

    def _activate(self) -> None:
        self._bad_inputs.clear()
        self._faults_in_a_row.clear()
        self._fault = ""
        self.on_activated()
        for worker in self._workers.values():
            worker.start()
        self._active = True

    def _deactivate(self) -> None:
        self._stop_activity()
        self.on_deactivated()

    def _clean_up(self) -> None:
        if self._active:  # shutdown and errors skip deactivation, whose last words matter
            self._deactivate()
        else:
            self._stop_activity()
        self._release()

    def _stop_activity(self) -> None:
        self._active = False
        self.on_deactivating()
        for listener in self._inputs:
            listener.close()
        for timer in self._activity_timers:
            self.destroy_timer(timer)
        for worker in self._workers.values():
            if not worker.close(DRAIN_TIMEOUT_S):
                self._left_behind.append(worker)
                self.get_logger().error(
                    f"worker '{worker.name}' still runs {DRAIN_TIMEOUT_S:g} s after deactivation; "
                    "its engine hangs, restart the process"
                )
        self._inputs.clear()
        self._activity_timers.clear()
        self._workers.clear()

    def _release(self) -> None:
        for publisher in self._outputs:
            # `advertise` made it a managed one.
            self.destroy_lifecycle_publisher(publisher.publisher)  # type: ignore[arg-type]
        self._outputs.clear()
        self.on_cleaned_up()

    # Workers and faults --------------------------------------------------------------------------

    def _worker(self, name: str) -> Worker:
        if name not in self._workers:
            self._workers[name] = Worker(f"{self.get_name()}.{name}", self._on_handled, self.now_ns)
            if self._active:
                self._workers[name].start()
        return self._workers[name]

    def _on_handled(self, inbox: Inbox, error: Exception | None) -> None:
        if error is None:
            self._faults_in_a_row.pop(inbox, None)
            return
        source = next((lis.topic for lis in self._inputs if lis.inbox is inbox), "timer")
        if isinstance(error, InvalidInput):
            self.bad_input(source, error)
            return
        self._faults_in_a_row[inbox] += 1
        text = str(error) if isinstance(error, EdgeMmError) else f"{type(error).__name__}: {error}"
        record = self._bad_inputs.setdefault((source, "fault"), FaultRecord())
        if line := record.note(text, self.now_ns(), time.monotonic()):
            details = "" if isinstance(error, EdgeMmError) else "\n" + _format(error)
            self.get_logger().error(f"{source}: {line}{details}")
            self.tell(self._bad_input_health(source, "fault", record))
        row = self._faults_in_a_row[inbox]
        if row >= MAX_FAULTS_IN_A_ROW and not self._fault:
            self._fault = f"{row} faults in a row, the last of {source}: {text}"

    def _housekeeping(self) -> None:
        while self._for_executor:
            self._for_executor.popleft()()
        if self._fault and self._active:
            self.get_logger().error(f"going to the error transition: {self._fault}")
            self.trigger_deactivate()
            return
        for listener in self._inputs:
            listener.match_publishers()

    # Parameters ----------------------------------------------------------------------------------

    def _check_change(self, changes: list[Parameter]) -> SetParametersResult:
        ours = [
            p
            for p in changes
            if p.name.split(".")[0] in self.params_type.model_fields
            and self.has_parameter(p.name)  # not while it is being declared
        ]
        if not ours:
            return SetParametersResult(successful=True)
        try:
            if deleted := [p.name for p in ours if p.type_ == Parameter.Type.NOT_SET]:
                raise ParameterError(f"parameter {', '.join(map(repr, deleted))} cannot be deleted")
            if self._active and (
                fixed := parameters.fixed_changes(self.params_type, (p.name for p in ours))
            ):
                raise ParameterError(
                    f"parameter {', '.join(map(repr, fixed))} cannot change while the node is "
                    "active; deactivate and clean up first"
                )
            new = parameters.read(self, self.params_type, ours)
            if self.params is not None:
                self.check_params(new)
        except EdgeMmError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _apply_change(self, changes: list[Parameter]) -> None:
        if self.params is None or not any(
            p.name.split(".")[0] in self.params_type.model_fields for p in changes
        ):
            return
        self.params = parameters.read(self, self.params_type)
        if self._active:
            self.on_params_changed()

    # Diagnostics ---------------------------------------------------------------------------------

    def _publish_diagnostics(self) -> None:
        try:
            entries = [self._state_health(), *self._topic_health(), *self.health()]
        except Exception as error:  # a fault in a health hook must not end the executor
            entries = [Health("health", HealthLevel.ERROR, f"{type(error).__name__}: {error}")]
        entries.extend(
            self._bad_input_health(source, kind, record)
            for (source, kind), record in tuple(self._bad_inputs.items())
        )
        self._diagnostics.publish(to_array(entries, self.get_fully_qualified_name(), self.now_ns()))

    def _state_health(self) -> Health:
        if self.last_error:
            return Health("state", HealthLevel.ERROR, self.last_error)
        return Health("state", HealthLevel.OK, "active" if self._active else "not active")

    def _topic_health(self) -> Iterable[Health]:
        return [listener.health() for listener in tuple(self._inputs)]

    def _bad_input_health(self, source: str, kind: str, record: FaultRecord) -> Health:
        return record.health(f"input {source} {kind}", self.now_ns())


def _format(error: Exception) -> str:
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))
