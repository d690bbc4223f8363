// sort(v: i32[6])
// made by Gemel for ecp5 at 100 MHz; x_s2 is the value of x in stage 2
module sort (
    input  logic               clk,
    input  logic               rst,

    // start is taken where busy is low; done is high for one cycle at the end
    input  logic               start,
    output logic               busy,
    output logic               done,

    // v: 6 words of i32
    output logic               v_ren,
    output logic [2:0]         v_raddr,
    input  logic signed [31:0] v_rdata,
    output logic               v_wen,
    output logic [2:0]         v_waddr,
    output logic signed [31:0] v_wdata
);
  logic       done_1;
  logic [2:0] i;

  // ----------------------------------------------------------------------- the run (designs.py:75)
  logic accepted;
  logic i_is_4;

  assign accepted = start && !busy;

  // designs.py:76: for i in range(N - 1):
  assign i_is_4 = i == 3'd4;

  always_ff @(posedge clk) begin
    if (rst) begin
      busy <= 1'b0;
      done <= 1'b0;
    end else begin
      if (accepted) begin
        busy <= 1'b1;
      end else if (done_1 && i_is_4) begin
        busy <= 1'b0;
      end
      done <= done_1 && i_is_4;
    end
  end

  // --------------------------------------------------- loop i, around what follows (designs.py:76)
  logic enter;

  assign enter = accepted || (done_1 && (i != 3'd4));

  always_ff @(posedge clk) if (enter) i <= accepted ? 3'd0 : i + 3'd1;

  // -------------------------------------------------- straight-line code: 2 cycles (designs.py:77)
  logic [2:0] hi;
  logic [1:0] step;  // one-hot: the cycle
  logic [2:0] hi_q;

  assign hi = 3'd5 - i;

  always_ff @(posedge clk) begin
    if (rst) begin
      step <= '0;
    end else begin
      step <= {step[0], enter};
    end
  end

  always_ff @(posedge clk) if (step[0]) hi_q <= hi;

  // ----------------------- loop j: iterations, one begins every 4 cycles, 7 stages (designs.py:77)
  localparam logic [1:0] LAST_PHASE = 2'd3;
  logic               turn;
  logic               issue;
  logic               j_last;
  logic [2:0]         j_plus_1;
  logic               v_rdata_gt_v;
  logic [1:0]         phase;  // counts the cycles between two iterations
  logic [2:0]         j;
  logic               run;    // iterations begin
  logic [6:1]         last;   // the stage that holds the last iteration
  logic [6:1]         valid;  // the stages that hold an iteration
  logic [2:0]         j_1;
  logic [2:0]         v_addr;
  logic signed [31:0] v;
  logic signed [31:0] v_1;
  logic               v_gt_v;
  logic [2:0]         v_addr_1;
  logic signed [31:0] v_2;
  logic               skip;

  assign turn = phase == LAST_PHASE;
  assign issue = run && (phase == 2'd0);
  assign j_last = (4'(j) + 4'd1) >= 4'(hi_q);
  assign done_1 = last[6] || skip;
  assign j_plus_1 = j + 3'd1;

  // designs.py:78: if v[j] > v[j + 1]:
  assign v_rdata_gt_v = v_rdata > v;

  always_ff @(posedge clk) begin
    if (rst) begin
      run <= 1'b0;
      last <= '0;
      valid <= '0;
      skip <= 1'b0;
    end else begin
      if (step[1] && (hi_q > 3'd0)) begin
        run <= 1'b1;
      end else if (turn && j_last) begin
        run <= 1'b0;
      end
      last <= {last[5:1], issue && j_last};
      valid <= {valid[5:1], issue};
      skip <= step[1] && (hi_q <= 3'd0);
    end
  end

  // designs.py:77, 78, 79
  always_ff @(posedge clk) begin
    if (step[1]) begin
      phase <= 2'd0;
      j <= 3'd0;
    end else if (run) begin
      phase <= turn ? 2'd0 : phase + 2'd1;
      if (turn) j <= j_last ? 3'd0 : j_plus_1;
    end
    if (valid[3]) begin
      j_1 <= j;
      v_1 <= v_rdata;
    end
    if (issue) v_addr <= j_plus_1;
    if (valid[2]) v <= v_rdata;
    if (valid[5]) v_gt_v <= v_rdata_gt_v;
    if (valid[4]) begin
      v_addr_1 <= v_addr;
      v_2 <= v_rdata;
    end
  end

  // ----------------------------------------------------------------------------------------- ports
  logic both;

  // designs.py:77: for j in range(N - 1 - i):
  assign both = valid[5] && v_rdata_gt_v;

  assign v_raddr =
      valid[4] ? j_1
    : valid[3] ? j
    : v_addr;
  assign v_ren = valid[4] || valid[1] || valid[2] || valid[3];
  assign v_waddr = both ? j_1 : v_addr_1;
  assign v_wdata = both ? v_1 : v_2;
  assign v_wen = both || (valid[6] && v_gt_v);
endmodule
